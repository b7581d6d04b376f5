"""Mixed precision: the number format of the matrix products in training."""

from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import nn

from training.common.errors import ConfigError
from training.seq2seq.config import Cell, Precision


def pick_precision(requested: Precision, device: torch.device, cell: Cell = "lstm") -> torch.dtype:
    """The number format of the matrix products; `auto` is bf16 where the hardware has units for it, else fp32.

    Such units are tensor cores from Ampere on, and AMX of Intel's Xeons, where bf16 trains two to three times as fast
    as fp32. Weights, their gradients and sums stay fp32 (`torch.autocast`).

    Args:
        requested: the setting of the run.
        device: where the network is trained.
        cell: kind of the network's recurrent layers.

    Raises:
        ConfigError: fp16 on a CPU, or bf16 where PyTorch cannot compute a recurrent layer in it.
    """
    if requested == "fp16" and device.type != "cuda":
        raise ConfigError("precision is fp16, which needs a GPU; choose bf16 or fp32")
    if requested == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if fast and bf16_error(device, cell) is None else torch.float32
    if requested == "bf16" and (reason := bf16_error(device, cell)):
        raise ConfigError(
            f"precision is bf16, but PyTorch cannot train {cell.upper()} layers in it on this machine ({reason}); "
            "choose fp32 or auto"
        )
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[requested]


@cache
def bf16_error(device: torch.device, cell: Cell) -> str | None:
    """Why a recurrent layer cannot be trained in bf16 on this device; None if it can.

    A tiny forward and backward pass is tried, as PyTorch has no query for it. oneDNN, for example, has no bf16 LSTM for
    CPUs without AVX-512.
    """
    layer = (nn.LSTM if cell == "lstm" else nn.GRU)(2, 2, batch_first=True, device=device)
    try:
        with mixed(device, torch.bfloat16):
            outputs = layer(torch.zeros(1, 2, 2, device=device))[0]
        outputs.float().sum().backward()
    except RuntimeError as error:
        return str(error).partition(". ")[0]
    return None


def mixed(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """A context in which matrix products are computed in `precision`."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype=precision if precision != torch.float32 else None, enabled=precision != torch.float32
    )
    return context
