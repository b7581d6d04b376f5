"""LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, II.B.

The default is the network as it is commonly built today (ReLU, max pooling, full C3, softmax: 61,706 parameters). Each
option restores one part of the paper, and the preset `lecun1998` all of them.
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
PIXEL_MEAN, PIXEL_DEVIATION = 0.1307, 0.3081
"""Mean and standard deviation of MNIST's training images, with pixels in 0..1."""

# Table I: the maps of S2, 0 to 5, that each of the 16 maps of C3 is connected to.
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
    """S2 and S4: 2x2 average pooling, times one trainable coefficient and plus one bias per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return functional.avg_pool2d(maps, 2) * self.coefficient + self.bias


class RadialOutput(nn.Module):
    """Euclidean RBF units (II.B): negative squared distance of F6 [B, 84] from each digit's fixed 7x12 bitmap."""

    bitmaps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bitmaps", torch.tensor(DIGIT_BITMAPS, dtype=torch.float32))

    def forward(self, f6: Tensor) -> Tensor:
        # |x - w|^2 expanded, which avoids a [B, 10, 84] tensor; |w|^2 = 84, as every pixel is +1 or -1.
        return 2.0 * f6 @ self.bitmaps.T - f6.square().sum(1, keepdim=True) - self.bitmaps.shape[1]


class LeNet5(nn.Module):
    """LeNet-5: images [B, 1, 28, 28], 0 = paper to 1 = ink, to scores [B, classes], the logits of a softmax."""

    def __init__(
        self,
        classes: int,
        *,
        activation: Activation = "relu",
        pooling: Pooling = "max",
        connections: Connections = "full",
        output: Output = "softmax",
        width: int = 1,
    ) -> None:
        super().__init__()
        assert output == "softmax" or classes == len(DIGIT_BITMAPS)
        assert width == 1 or (connections == "full" and output == "softmax")
        activation_module: Callable[[], nn.Module] = {
            "relu": nn.ReLU,
            "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid,
            "scaled-tanh": ScaledTanh,
        }[activation]
        c1, c3, c5, f6 = (width * count for count in (6, 16, 120, 84))
        self.c1 = nn.Conv2d(1, c1, 5)
        self.s2 = _subsampling(pooling, c1, activation_module)
        self.c3 = nn.Conv2d(c1, c3, 5)
        self.s4 = _subsampling(pooling, c3, activation_module)
        self.c5 = nn.Linear(c3 * 5 * 5, c5)  # equals a convolution with 5x5 kernels on 5x5 maps
        self.f6 = nn.Linear(c5, f6)
        self.output: nn.Module = RadialOutput() if output == "rbf" else nn.Linear(f6, classes)
        self.activation = activation_module()
        self._c3_mask: Tensor | None = None
        self._initialize(activation)
        if connections == "table1":
            self._remove_connections()

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)[-1]

    def layers(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs of S4 [B, 400], C5 [B, 120] and F6 [B, 84], and the scores [B, classes], of images [B, 1, 28, 28]."""
        x = functional.pad(
            images, (PADDING,) * 4
        )  # to 32x32, so that strokes can end in the center of a receptive field
        x = (x - PIXEL_MEAN) / PIXEL_DEVIATION
        return self.layers_from_c1(self.c1(x))

    def from_c1(self, maps: Tensor) -> Tensor:
        """Apply the layers after C1: maps [B, 6, 28, 28] to scores [B, classes]."""
        return self.layers_from_c1(maps)[-1]

    def layers_from_c1(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs of S4 [B, 400], C5 [B, 120] and F6 [B, 84], and the scores [B, classes], of maps [B, 6, 28, 28]."""
        s4 = self.s4(self.c3(self.s2(maps))).flatten(1)
        c5 = self.activation(self.c5(s4))
        f6 = self.activation(self.f6(c5))
        return s4, c5, f6, self.output(f6)

    def activations(self, maps: Tensor) -> dict[str, Tensor]:
        """What every layer passes on, by its name in the paper, from the sums of C1, [B, 6, 28, 28].

        C1 and C3 are squashed here, [B, 6, 28, 28] and [B, 16, 10, 10], also where the network pools before that. The
        last are the scores, [B, classes].
        """
        s2 = self.s2(maps)
        c3 = self.c3(s2)
        s4 = self.s4(c3)
        c5 = self.activation(self.c5(s4.flatten(1)))
        f6 = self.activation(self.f6(c5))
        squashed = {"c1": self.activation(maps), "s2": s2, "c3": self.activation(c3), "s4": s4, "c5": c5, "f6": f6}
        return squashed | {"output": self.output(f6)}

    def parameter_count(self) -> int:
        """Number of trainable parameters, without the connections of C3 that Table I omits."""
        removed = 0 if self._c3_mask is None else int((self._c3_mask == 0).sum())
        return sum(p.numel() for p in self.parameters()) - removed

    def _remove_connections(self) -> None:
        """Remove the connections that Table I omits: their weights start at zero and get no gradient."""
        mask = torch.zeros_like(self.c3.weight)
        for target, sources in enumerate(TABLE_1):
            mask[target, list(sources)] = 1.0
        with torch.no_grad():
            self.c3.weight.mul_(mask)
        self._c3_mask = mask
        self.c3.weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))

    def _initialize(self, activation: Activation) -> None:
        """Uniform weights that keep the variance of activations; +-2.4 / fan-in for scaled tanh (appendix A)."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                # Gain: 2 for ReLU (He et al. 2015), 1 for tanh, 16 for the sigmoid, whose slope is 1/4.
                gain = {"relu": 2.0, "tanh": 1.0, "sigmoid": 16.0, "scaled-tanh": 2.4**2 / 3 / fan_in}[activation]
                bound = math.sqrt(3.0 * gain / fan_in)
                nn.init.uniform_(layer.weight, -bound, bound)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # all of these layers have a bias


def _subsampling(pooling: Pooling, maps: int, activation: Callable[[], nn.Module]) -> nn.Module:
    """Activation and subsampling after C1 or C3."""
    if pooling == "max":  # activations are monotonic: pooling first gives the same at a quarter of the work
        return nn.Sequential(nn.MaxPool2d(2), activation())
    if pooling == "avg":
        return nn.Sequential(activation(), nn.AvgPool2d(2))
    return nn.Sequential(activation(), TrainableSubsampling(maps), activation())


def map_loss(scores: Tensor, labels: Tensor, *, rubbish: float = 0.1) -> Tensor:
    """Equation 9, averaged over the batch: penalty of the true class plus log(e^-j + sum of e^-penalty).

    Args:
        scores: negative penalties of the RBF units, [B, classes].
        labels: true classes, [B].
        rubbish: j, the penalty of a class of images that show no digit.
    """
    true_scores = scores.gather(1, labels[:, None]).squeeze(1)
    all_scores = torch.cat([scores, scores.new_full((len(scores), 1), -rubbish)], dim=1)
    return (torch.logsumexp(all_scores, dim=1) - true_scores).mean()
