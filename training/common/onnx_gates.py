"""The order of the gates of LSTMs and GRUs: PyTorch's is i, f, g, o and r, z, n; ONNX's is i, o, f, c and z, r, h."""

import torch
from torch import Tensor


def to_onnx_gates(cell: str, values: Tensor) -> Tensor:
    """Weights or biases of a layer with their gates, along the first axis, in ONNX's order.

    Args:
        cell: lstm or gru.
        values: a parameter of a PyTorch layer.
    """
    if cell == "lstm":
        i, f, g, o = values.detach().chunk(4)
        return torch.cat([i, o, f, g])
    reset, update, new = values.detach().chunk(3)
    return torch.cat([update, reset, new])


def from_onnx_gates(cell: str, values: Tensor) -> Tensor:
    """The reverse of `to_onnx_gates`."""
    if cell == "lstm":
        i, o, f, g = values.chunk(4)
        return torch.cat([i, f, g, o])
    update, reset, new = values.chunk(3)
    return torch.cat([reset, update, new])
