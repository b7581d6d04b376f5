"""The options that every session has, and graphs optimized for this machine's CPU."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, first_line
from service.runtime.provider_options import CPU


def session_options(threads: int) -> Any:
    """The options that every session has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the quota of a shared CPU while they wait.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps the memory of the largest run of each session, in pieces that fit no other length.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False  # A plan would be kept for every shape that ever ran, and there are thousands.
    options.log_severity_level = 4  # Its errors are exceptions already; lines of its own would not be JSON.
    return options


def optimize_graph(path: Path) -> None:
    """Replace an ONNX file by the graph that onnxruntime makes of it for the CPU of this machine.

    Its weights go into a file beside it, which sessions map into memory instead of copying it.

    Raises:
        BundleError: onnxruntime cannot load it.
        OSError: there is no room for it.
    """
    import onnxruntime

    result = path.with_name(f"{path.name}.optimized")
    options = session_options(threads=1)
    options.optimized_model_filepath = str(result)
    for key, value in (("file_name", f"{path.name}.weights"), ("min_size_in_bytes", "4096")):
        options.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)
    try:
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=[CPU])
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        if _opens(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(result)) from error
        raise BundleError(f"{path}: onnxruntime cannot load it ({first_line(error)})") from error
    result.replace(path)


def _opens(path: Path) -> bool:
    """Whether onnxruntime can load a file, without writing another."""
    import onnxruntime

    try:
        onnxruntime.InferenceSession(str(path), sess_options=session_options(threads=1), providers=[CPU])
    except Exception:
        return False
    return True
