"""The program of the helper process: forks a child for each preparation. See `service.serving.helper_process`."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys
import traceback
import warnings
from typing import Any

import orjson

from service.bundle.files import BundleError, first_line
from service.errors import ConfigurationError
from service.runtime.memory import is_out_of_memory
from service.runtime.providers import runtime_version
from service.serving.child_processes import allow_signals
from service.serving.preparation import prepare, verify
from service.serving.preparation_job import PreparationJob

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do the jobs that come over the socket whose descriptor is the first argument."""
    logging.disable(logging.WARNING)  # The server says it again when it opens the model.
    runtime_version()  # Imports onnxruntime before the first job comes, for all children.
    with socket.socket(fileno=int(sys.argv[1])) as jobs:
        _fork_for_each(jobs)


def run_as_fork(jobs: socket.socket, other_end: socket.socket) -> None:
    """Do the jobs in a fork of the server.

    Args:
        jobs: the socket that they come over.
        other_end: the server's end of it; open here too, it would hide that the server is gone.
    """
    other_end.close()
    ctypes.CDLL(None).prctl(
        _PR_SET_PDEATHSIG, signal.SIGKILL
    )  # A stopped process would not see that the server is gone.
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    gc.freeze()  # What the collector never visits stays in pages that the forked processes share.
    gc.enable()
    _fork_for_each(jobs)


def _fork_for_each(jobs: socket.socket) -> None:
    """Fork a child for every job, until the server closes the socket; then end this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server decides when this ends.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Ended children leave nothing behind.
    allow_signals()
    own = os.getpid()
    while True:
        head, descriptors, _, _ = socket.recv_fds(jobs, 4, 1)
        if len(head) < 4 or not descriptors:
            os._exit(0)
        request = jobs.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
        if os.fork() == 0:
            jobs.close()
            _run(request, descriptors[0], own)
        os.close(descriptors[0])


def _run(request: bytes, result: int, parent: int) -> None:
    """Prepare one version in this child, write the result as JSON, and end; at once where the parent is gone."""
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It was killed before that, and the folder to write into may be removed by now.
            return
        os.write(result, b"%d\n" % os.getpid())
        document = orjson.loads(request)
        _limit(document["seconds"], document["memory_bytes"], document["niceness"])
        answer = orjson.dumps(_answer(document["action"], document["job"]))
        with os.fdopen(result, "wb") as stream:
            stream.write(answer)
        code = 0
    finally:
        os._exit(code)


def _answer(action: str, document: dict[str, Any]) -> dict[str, Any]:
    try:
        job = PreparationJob.model_validate(document)
        if action == "verify":
            return {"kind": "done", "verified": verify(job).model_dump(mode="json")}
        return {"kind": "done", "prepared": prepare(job).model_dump(mode="json")}
    except BundleError as error:
        return {"kind": "memory" if is_out_of_memory(error) else "bundle", "error": str(error)}
    except ConfigurationError as error:
        return {"kind": "configuration", "error": str(error)}
    except Exception as error:
        if is_out_of_memory(error):
            return {"kind": "memory"}
        text = f"it fails with {type(error).__name__}: {first_line(error)}"
        return {"kind": "other", "error": text, "traceback": traceback.format_exc()}


def _limit(seconds: float, memory_bytes: int, niceness: int) -> None:
    """Have the kernel end this process when it takes too long or too much.

    Memory is limited on Linux only: other systems count it otherwise.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)  # The default action of its signal ends the process.
    with contextlib.suppress(OSError):
        os.nice(niceness)
    if sys.platform == "linux":
        # A lower limit of the server's own holds for this process too, and cannot be raised.
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write("1000")  # If the machine itself runs out of memory, this process goes, not the server.


if __name__ == "__main__":
    main()
