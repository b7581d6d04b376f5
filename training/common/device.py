"""The device and the number of CPU threads to compute with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.runtime.cpus import available_cpus
from training.common.errors import DeviceError
from training.common.processes import local_count, local_rank

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """Pick the device for `--device`; `auto` takes a GPU where PyTorch can use one.

    Each of several processes on a machine takes the GPU of its own number.

    Args:
        name: auto, cpu, cuda, or cuda:N for the GPU with number N.

    Raises:
        DeviceError: a GPU was asked for that PyTorch cannot use here, or there are fewer GPUs than processes.
    """
    import torch  # here, as commands that need no PyTorch run where it is not installed

    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        cuda_version = torch.version.cuda
        reason = f"sees no GPU (built for CUDA {cuda_version})" if cuda_version else "is built without CUDA"
        raise DeviceError(
            f"--device {name}: PyTorch {torch.__version__} {reason}; "
            "install PyTorch for CUDA on a machine with an NVIDIA GPU, or use --device cpu"
        )
    index = _gpu(name, torch.cuda.device_count())
    torch.backends.cudnn.deterministic = True
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def _gpu(name: str, gpus: int) -> int:
    """The number of the GPU that this process takes."""
    if local_count() > 1 and name in ("auto", "cuda"):
        if local_count() > gpus:
            raise DeviceError(
                f"--device {name}: {local_count()} processes on a machine with {_gpus(gpus)}; "
                f"start torchrun with --nproc-per-node {gpus}, or use --device cpu"
            )
        return local_rank()
    if local_count() > 1:
        raise DeviceError(
            f"--device {name}: {local_count()} processes would share one GPU; use --device cuda, with which each takes "
            "its own"
        )
    index = int(name.partition(":")[2] or 0)
    if index >= gpus:
        raise DeviceError(
            f"--device {name}: this machine has {_gpus(gpus)}; use cuda:0"
            + (f" to cuda:{gpus - 1}" if gpus > 1 else "")
        )
    return index


def _gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


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
    """The number of threads for a family that starts its own: `count`, or this process's part of the available CPUs."""
    return count or max(1, available_cpus() // local_count())
