"""What a child of the helper process answers, and the errors that it stands for."""

from __future__ import annotations

from typing import Any

import orjson

from service.bundle.files import BundleError
from service.errors import ConfigurationError
from service.limits import variable
from service.serving.preparation_job import PreparationJob


class PreparationFailure(Exception):
    """A preparation that failed in a way that nobody foresaw; `traceback` is for the log."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


def read_answer(answer: bytes, job: PreparationJob, memory_bytes: int) -> dict[str, Any]:
    """Read what a child wrote until it ended.

    Args:
        answer: that, as JSON; empty if the child was killed.
        job: what it was asked for.
        memory_bytes: the memory that it was allowed.

    Raises:
        BundleError: the bundle is bad, or takes too much memory.
        ConfigurationError: the settings do not allow serving it.
        PreparationFailure: another error.
    """
    if not answer:
        raise BundleError(
            f"{job.path}: the process that tried it was killed; it may have needed more than its limit of "
            f"{memory_bytes} bytes ({variable('load_memory_bytes')}), which can be set higher, or the machine has no "
            "memory left"
        )
    document: dict[str, Any] = orjson.loads(answer)
    text: str = document.get("error", "")
    match document["kind"]:
        case "done":
            return document
        case "bundle":
            raise BundleError(text)
        case "configuration":
            raise ConfigurationError(text)
        case "memory":
            raise BundleError(
                f"{job.path}: loading takes over {memory_bytes} bytes of memory, the limit "
                f"({variable('load_memory_bytes')}); if the model needs more, set it higher"
            )
    raise PreparationFailure(text, document.get("traceback", ""))
