"""The network as it is served: what is fixed after training folded into it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.lenet.familiarity.fit import Familiarity
from training.lenet.network.model import PADDING, PIXEL_DEVIATION, PIXEL_MEAN, LeNet5

INPUT, OUTPUT = "image", "probabilities"
"""The tensors of its graph."""


class ServedLeNet(nn.Module):
    """Images [B, 1, 28, 28] in 0..1 to probabilities [B, classes] and, where it was fitted, familiarity [B, 1].

    Equals the softmax of `LeNet5` at the fitted temperature, with padding and the normalization of pixels folded into
    C1.
    """

    def __init__(self, model: LeNet5, fitted: Familiarity | None = None) -> None:
        super().__init__()
        self.temperature = fitted.temperature if fitted else 1.0
        self.head = fitted.head if fitted else None
        first = model.c1
        assert first.bias is not None
        self.c1 = nn.Conv2d(1, first.out_channels, first.kernel_size, padding=PADDING)  # type: ignore[arg-type]  # is a pair
        assert self.c1.bias is not None
        with torch.no_grad():
            self.c1.weight.copy_(first.weight / PIXEL_DEVIATION)
            self.c1.bias.copy_(first.bias - first.weight.sum((1, 2, 3)) * (PIXEL_MEAN / PIXEL_DEVIATION))
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        s4, c5, f6, scores = self.model.layers_from_c1(self.c1(image))
        probabilities = (scores / self.temperature).softmax(1)
        if self.head is None:
            return (probabilities,)
        return probabilities, self.head(torch.cat([s4, c5, f6], dim=1)).sigmoid()
