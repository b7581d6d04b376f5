"""LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, II.B.

The default is the network as it is built today (ReLU, max pooling, full C3, softmax: 61,706 parameters); the options
bring back each part of 1998 alone, and the preset `lecun1998` all of them.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.lenet.network.bitmaps import DIGIT_BITMAPS

Activation = Literal["relu", "tanh", "sigmoid", "scaled-tanh"]
Pooling = Literal["max", "avg", "trainable"]
Connections = Literal["full", "table1"]
Output = Literal["softmax", "rbf"]

SIDE = 28
PADDING = 2
PIXEL_MEAN, PIXEL_DEVIATION = 0.1307, 0.3081  # of MNIST's training images, with pixels in 0..1

# Table I: which of the 6 maps of S2 each of the 16 maps of C3 sees.
TABLE_1 = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class ScaledTanh(nn.Module):
    """f(a) = 1.7159 tanh(2a/3), so that f(1) = 1 and f(-1) = -1 (appendix A)."""

    def forward(self, a: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(a * (2.0 / 3.0))


class TrainableSubsampling(nn.Module):
    """S2 and S4: the mean of 2x2 neighbours, times one trainable coefficient per map, plus one bias per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return functional.avg_pool2d(maps, 2) * self.coefficient + self.bias


class RadialOutput(nn.Module):
    """Euclidean RBF units (II.B): minus the squared distance of F6 from each digit's fixed 7x12 bitmap."""

    bitmaps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bitmaps", torch.tensor(DIGIT_BITMAPS, dtype=torch.float32))

    def forward(self, f6: Tensor) -> Tensor:
        # |x - w|^2 multiplied out: no [B, 10, 84] tensor. |w|^2 = 84, for every pixel is +1 or -1.
        return 2.0 * f6 @ self.bitmaps.T - f6.square().sum(1, keepdim=True) - self.bitmaps.shape[1]


class LeNet5(nn.Module):
    """Images [B, 1, 28, 28] in 0..1 (0 = paper, 1 = ink) to scores [B, classes] whose softmax are probabilities."""

    def __init__(
        self,
        classes: int,
        *,
        activation: Activation = "relu",
        pooling: Pooling = "max",
        connections: Connections = "full",
        output: Output = "softmax",
    ) -> None:
        super().__init__()
        assert output == "softmax" or classes == len(DIGIT_BITMAPS)
        squash: Callable[[], nn.Module] = {
            "relu": nn.ReLU,
            "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid,
            "scaled-tanh": ScaledTanh,
        }[activation]
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = _subsampling(pooling, 6, squash)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = _subsampling(pooling, 16, squash)
        self.c5 = nn.Linear(16 * 5 * 5, 120)  # a convolution whose 5x5 kernels cover the whole 5x5 maps
        self.f6 = nn.Linear(120, 84)
        self.output: nn.Module = RadialOutput() if output == "rbf" else nn.Linear(84, classes)
        self.squash = squash()
        self._c3_mask: Tensor | None = None
        self._initialise(activation)
        if connections == "table1":
            self._cut_connections()

    def forward(self, images: Tensor) -> Tensor:
        x = functional.pad(images, (PADDING,) * 4)  # 32x32, so that strokes' ends can be at the centre of a field
        x = (x - PIXEL_MEAN) / PIXEL_DEVIATION
        return self.from_c1(self.c1(x))

    def from_c1(self, maps: Tensor) -> Tensor:
        """The layers after C1: maps [B, 6, 28, 28] to scores [B, classes]."""
        x = self.s4(self.c3(self.s2(maps)))
        x = self.squash(self.c5(x.flatten(1)))
        scores: Tensor = self.output(self.squash(self.f6(x)))
        return scores

    def parameter_count(self) -> int:
        """Trainable parameters; the connections of C3 that Table I leaves out are not counted."""
        cut = 0 if self._c3_mask is None else int((self._c3_mask == 0).sum())
        return sum(p.numel() for p in self.parameters()) - cut

    def _cut_connections(self) -> None:
        """Table I: weights of missing connections start at zero and get no gradient, so they stay there."""
        mask = torch.zeros_like(self.c3.weight)
        for target, sources in enumerate(TABLE_1):
            mask[target, list(sources)] = 1.0
        with torch.no_grad():
            self.c3.weight.mul_(mask)
        self._c3_mask = mask
        self.c3.weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))

    def _initialise(self, activation: Activation) -> None:
        """Uniform weights that keep the signal's size; for 1998's tanh the paper's +-2.4/fan-in (appendix A)."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                # Variance g/fan_in: 2 for ReLU (He et al. 2015), 1 for tanh, 16 for the sigmoid, whose slope is 1/4.
                gain = {"relu": 2.0, "tanh": 1.0, "sigmoid": 16.0, "scaled-tanh": 2.4**2 / 3 / fan_in}[activation]
                bound = math.sqrt(3.0 * gain / fan_in)
                nn.init.uniform_(layer.weight, -bound, bound)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # every layer here has a bias


def _subsampling(pooling: Pooling, maps: int, squash: Callable[[], nn.Module]) -> nn.Module:
    """Squashing and subsampling of the maps of C1 or C3."""
    if pooling == "max":  # the functions rise, so squashing the maximum gives the same, at a quarter of the work
        return nn.Sequential(nn.MaxPool2d(2), squash())
    if pooling == "avg":
        return nn.Sequential(squash(), nn.AvgPool2d(2))
    return nn.Sequential(squash(), TrainableSubsampling(maps), squash())


def map_loss(scores: Tensor, labels: Tensor, *, rubbish: float = 0.1) -> Tensor:
    """Equation 9: the right class's penalty plus log(e^-j + sum of e^-penalty), j the penalty of a rubbish class.

    Scores are minus the penalties of the RBF units. The mean over the batch.
    """
    right = scores.gather(1, labels[:, None]).squeeze(1)
    anything = torch.cat([scores, scores.new_full((len(scores), 1), -rubbish)], dim=1)
    return (torch.logsumexp(anything, dim=1) - right).mean()
