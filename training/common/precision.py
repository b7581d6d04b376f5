"""Mixed precision: the number format of the matrix products in training."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch
from torch import nn

from training.common.errors import ConfigError

Precision = Literal["auto", "fp32", "bf16"]
ScaledPrecision = Literal["auto", "fp32", "bf16", "fp16"]
"""Of a training loop that scales its loss, without which fp16 gradients become zero."""
Cell = Literal["lstm", "gru", "none"]
"""Kind of a network's recurrent layers; none: it has none."""

_LAYERS: dict[Cell, str] = {"lstm": "LSTM", "gru": "GRU", "none": "linear"}


def pick_precision(requested: ScaledPrecision, device: torch.device, cell: Cell = "lstm") -> torch.dtype:
    """The number format of the matrix products; `auto` is bf16 where the hardware has units for it, else fp32.

    Such units are tensor cores from Ampere on, and AMX and AVX512-BF16 of CPUs, where bf16 trains two to three times as
    fast as fp32. Weights, their gradients and sums stay fp32 (`torch.autocast`).

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
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_multiplies_bf16()
        return torch.bfloat16 if fast and bf16_error(device, cell) is None else torch.float32
    if requested == "bf16" and (reason := bf16_error(device, cell)):
        raise ConfigError(
            f"precision is bf16, but PyTorch cannot train {_LAYERS[cell]} layers in it on this machine ({reason}); "
            "choose fp32 or auto"
        )
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[requested]


def _cpu_multiplies_bf16() -> bool:
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


@cache
def bf16_error(device: torch.device, cell: Cell) -> str | None:
    """Why a layer of this kind cannot be trained in bf16 on this device; None if it can.

    A tiny forward and backward pass is tried, as PyTorch has no query for it. oneDNN, for example, has no bf16 LSTM for
    CPUs without AVX-512.
    """
    layer = {"lstm": nn.LSTM, "gru": nn.GRU, "none": nn.Linear}[cell](2, 2, device=device)
    try:
        with mixed(device, torch.bfloat16):
            outputs = layer(torch.zeros(2, 1, 2, device=device))[0]
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
