"""In which number format training multiplies."""

from contextlib import AbstractContextManager

import torch

from training.common.errors import ConfigError
from training.seq2seq.config import Precision


def pick_precision(wanted: Precision, device: torch.device) -> torch.dtype:
    """The type of training's matrix products; `auto` is bf16 where the hardware has units for it.

    Those are tensor cores from Ampere on, and AMX of Intel's Xeons, where it trains two to three times as fast as fp32.
    Weights, gradients of them and sums stay fp32 (`torch.autocast`).

    Raises:
        ConfigError: fp16 on a CPU.
    """
    if wanted == "fp16" and device.type != "cuda":
        raise ConfigError("precision is fp16, which needs a GPU; choose bf16 or fp32")
    if wanted == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if fast else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted]


def mixed(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """A context in which matrix products are of `precision`."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype=precision if precision != torch.float32 else None, enabled=precision != torch.float32
    )
    return context
