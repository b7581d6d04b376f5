"""Which of several training processes this one is, as `torchrun` says it in the environment; needs no PyTorch.

Without `torchrun` there is one process, which is the main one.
"""

import os


def process_count() -> int:
    """Processes of the run, on all machines."""
    return _number("WORLD_SIZE", 1)


def process_rank() -> int:
    """The number of this process, from 0."""
    return _number("RANK", 0)


def local_count() -> int:
    """Processes of the run on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def local_rank() -> int:
    """The number of this process on its machine, from 0."""
    return _number("LOCAL_RANK", 0)


def is_main() -> bool:
    """Whether this process writes the run, prints, evaluates and exports; exactly one of a run does."""
    return process_rank() == 0


def process_label() -> str:
    """This process in a message, such as ` (process 2 of 4)`; empty where it is the main one."""
    return "" if is_main() else f" (process {process_rank() + 1} of {process_count()})"


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
