"""The device and the number of CPU threads to compute with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.runtime.cpus import available_cpus
from training.common.errors import DeviceError

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """Pick the device for `--device auto|cpu|cuda`; `auto` takes a GPU where PyTorch can use one.

    Raises:
        DeviceError: `cuda` was asked for and PyTorch cannot use a GPU here.
    """
    import torch  # here, as commands that need no PyTorch run where it is not installed

    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        cuda_version = torch.version.cuda
        reason = f"sees no GPU (built for CUDA {cuda_version})" if cuda_version else "is built without CUDA"
        raise DeviceError(
            f"--device cuda: PyTorch {torch.__version__} {reason}; "
            "install PyTorch for CUDA on a machine with an NVIDIA GPU, or use --device cpu"
        )
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def use_threads(count: int) -> None:
    """Set PyTorch's CPU threads; 0 leaves its own choice, unless that is more than this process may use.

    Results repeat bit for bit with equal counts.
    """
    import torch

    if count:
        torch.set_num_threads(count)
    elif torch.get_num_threads() > (cpus := available_cpus()):
        torch.set_num_threads(cpus)


def worker_threads(count: int) -> int:
    """The number of threads for a family that starts its own: `count`, or the available CPUs where it is 0."""
    return count or available_cpus()
