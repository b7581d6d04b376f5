"""Where a run computes, and on how many threads."""

import os

import torch

from training.common.errors import DeviceError


def pick_device(name: str) -> torch.device:
    """The device for `--device auto|cpu|cuda`; `auto` takes a GPU where PyTorch can use one.

    Raises:
        DeviceError: `cuda` was asked for and PyTorch cannot use a GPU here.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        reason = f"sees no GPU (built for CUDA {built})" if built else "is built without CUDA"
        raise DeviceError(
            f"--device cuda: PyTorch {torch.__version__} {reason}; "
            "install PyTorch for CUDA on a machine with an NVIDIA GPU, or use --device cpu"
        )
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def use_threads(count: int) -> None:
    """Compute with `count` threads; 0 leaves PyTorch's choice. Results repeat bit for bit with equal counts."""
    if count:
        torch.set_num_threads(count)


def worker_threads(count: int) -> int:
    """How many threads of its own a family starts: `count`, or as many as this process may use CPUs."""
    if count:
        return count
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
