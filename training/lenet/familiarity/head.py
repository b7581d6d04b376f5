"""The network that tells from LeNet's layers whether an image is one of its classes."""

import torch
from torch import Tensor, nn

from training.lenet.network.model import LeNet5

_HIDDEN = 64
_MIN_DEVIATION = 1e-2
"""Deviation that units are standardized with at least; a unit that is always 0 has none."""


class FamiliarityHead(nn.Module):
    """Outputs of S4, C5 and F6, [B, 604], to a logit [B, 1]: above 0, an image of one of the classes is more likely."""

    mean: Tensor
    deviation: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.hidden = nn.Linear(features, _HIDDEN)
        self.output = nn.Linear(_HIDDEN, 1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = torch.relu(self.hidden((features - self.mean) / self.deviation))
        logit: Tensor = self.output(hidden) * self.scale + self.shift
        return logit

    def standardize(self, features: Tensor) -> None:
        """Set mean and deviation of the inputs to those of `features` [N, 604]."""
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0).clamp(min=_MIN_DEVIATION))


def features_of(model: LeNet5, images: Tensor) -> Tensor:
    """The head's input for images [B, 1, 28, 28] in 0..1."""
    s4, c5, f6, _ = model.layers(images)
    return torch.cat([s4, c5, f6], dim=1)
