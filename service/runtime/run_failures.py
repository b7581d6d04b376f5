"""What a failed run says: that memory ran out, that the device is lost, or only that the model failed.

onnxruntime raises classes of its own that tell none of this apart; the text of the device's library does.
"""

from __future__ import annotations

import re

from service.errors import DeviceLost, LecternError, ModelFailure, OutOfMemory
from service.runtime.memory import is_out_of_memory

_NO_DEVICE_MEMORY = re.compile(
    r"out of memory|OUT_OF_MEMORY|OutOfMemory|_ALLOC_FAILED|available memory of \d+ is smaller than requested",
    re.IGNORECASE,
)

# A context of CUDA in which one of these happened fails every later call: the CUDA Runtime API's `cudaError` calls them
# sticky. The numbers stand in onnxruntime's "CUDA failure 700: …".
_LOST = re.compile(
    r"(?:CUDA|HIP)(?: failure| error)? (?:214|220|226|700|702|709|710|714|715|716|717|718|719|721)\b"
    r"|illegal memory access|misaligned address|illegal instruction|device-side assert|unspecified launch failure"
    r"|launch timed out|uncorrectable (?:ECC|NVLink) error|hardware stack error|context is destroyed"
    r"|(?:cuda|hip)Error(?:IllegalAddress|MisalignedAddress|IllegalInstruction|Assert|LaunchFailure|LaunchTimeout"
    r"|ECCUncorrectable|HardwareStackError|ContextIsDestroyed|DevicesUnavailable)"
    r"|DXGI_ERROR_DEVICE_(?:REMOVED|HUNG|RESET)|887A000[567]|device (?:was )?lost",
    re.IGNORECASE,
)


def as_failure(error: BaseException) -> LecternError:
    """The error of a run as those who wait for it get it."""
    if isinstance(error, LecternError):
        return error
    failure: LecternError
    if is_lost(error):
        failure = DeviceLost(f"the device failed and answers nothing until the process restarts ({_short(error)})")
    elif has_no_memory(error):
        failure = OutOfMemory("there is not enough memory for this request now; send less at once, or try again")
    else:
        failure = ModelFailure("the model failed")
    failure.__cause__ = error
    return failure


def has_no_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the process or of the device."""
    return is_out_of_memory(error) or any(map(_NO_DEVICE_MEMORY.search, _texts(error)))


def is_lost(error: BaseException) -> bool:
    """Whether the device will fail every later run of this process too."""
    return any(map(_LOST.search, _texts(error)))


def _texts(error: BaseException | None) -> list[str]:
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    return texts


def _short(error: BaseException) -> str:
    """What was wrong with the device, without the paths and names of its library."""
    return next(match[0] for match in map(_LOST.search, _texts(error)) if match)
