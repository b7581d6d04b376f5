"""Distortions of a batch of digits, in torch: one resampling for all that moves ink, then what changes the ink itself.

Elastic displacement follows Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks", 2003: a
random field smoothed by a Gaussian. Smoothing noise on a coarse grid up to the pixels gives the same fields, cheaply.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.lenet.config import AugmentConfig
from training.lenet.network.model import SIDE

_KNOTS = 7  # of the coarse grid of elastic displacements, across and down
_SMOOTHING = 4.0  # pixels, the paper's sigma


class Augmenter:
    """Distorts batches as the configuration says, drawing everything from the generator it is given."""

    def __init__(self, config: AugmentConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        self._spread = _spread_matrix().to(device)
        across = ((torch.arange(SIDE) + 0.5) * 2 / SIDE - 1).expand(SIDE, SIDE)
        # x, y and 1 of every pixel, so that a 2x3 matrix places them all; coordinates run from -1 to 1.
        self._places = torch.stack([across, across.T, torch.ones(SIDE, SIDE)]).view(3, -1).to(device)

    def __call__(self, images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Distorted copies of images [B, 1, 28, 28] in 0..1; `strength` scales what moves the ink."""
        if not self.config.augment:
            return images
        images = self._move(images, generator, strength)
        images = self._stroke(images, generator)
        images = self._degrade(images, generator)
        return self._contrast(images, generator)

    def _uniform(self, generator: torch.Generator, *shape: int) -> Tensor:
        """Uniform draws in -1..1, drawn on the CPU so that every device sees the same ones."""
        return (torch.rand(shape, generator=generator) * 2 - 1).to(self.device)

    def _move(self, images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
        c, count = self.config, len(images)
        draws = self._uniform(generator, 6, count) * strength
        angle = draws[0] * math.radians(c.rotation)
        cosine, sine = angle.cos(), angle.sin()
        size, aspect = torch.exp(draws[1] * c.scale), torch.exp(draws[2] * c.aspect / 2)
        slant = draws[3] * c.shear
        # From a place in the result to its place in the source: rotate, slant, stretch.
        wide, high = size * aspect, size / aspect
        matrices = torch.stack(
            [
                cosine * wide, (slant * cosine - sine) * wide, draws[4] * (c.shift * 2 / SIDE),
                sine * high, (slant * sine + cosine) * high, draws[5] * (c.shift * 2 / SIDE),
            ],
            dim=1,
        ).view(count, 2, 3)  # fmt: skip
        noise = torch.randn((count, 2, _KNOTS, _KNOTS), generator=generator).to(self.device)
        bend = (self._spread @ noise @ self._spread.T).view(count, 2, -1)
        places = torch.baddbmm(bend, matrices, self._places.expand(count, -1, -1), beta=strength * c.elastic * 2 / SIDE)
        grid = places.transpose(1, 2).reshape(count, SIDE, SIDE, 2)
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _stroke(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Half of the batch thickened, half thinned: blends with the grey dilation or erosion by a 3x3 cross."""
        if not self.config.stroke:
            return images
        half = len(images) // 2  # the order within a batch is random already
        amount = (self._uniform(generator, len(images), 1, 1, 1) + 1) * (self.config.stroke / 2)
        thicker, thinner = images[:half], images[half:]
        thicker = torch.lerp(thicker, _dilate(thicker), amount[:half])
        thinner = torch.lerp(thinner, 1 - _dilate(1 - thinner), amount[half:])
        return torch.cat([thicker, thinner])

    def _degrade(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A few images through a lower resolution, a few blurred by a 3x3 binomial kernel."""
        count = len(images)
        coarse, blurred = round(self.config.low_resolution * count), round(self.config.blur * count)
        if not coarse + blurred:
            return images
        order = torch.randperm(count, generator=generator)
        side = int(torch.randint(11, 20, (1,), generator=generator))
        if coarse:  # in place: what comes here is this batch's own copy already
            small = functional.interpolate(images[order[:coarse]], size=side, mode="bilinear", antialias=True)
            images[order[:coarse]] = functional.interpolate(small, size=SIDE, mode="bilinear")
        if blurred:
            chosen = order[coarse : coarse + blurred]
            images[chosen] = _blur(images[chosen])
        return images

    def _contrast(self, images: Tensor, generator: torch.Generator) -> Tensor:
        if not self.config.contrast:
            return images
        gain = 1 + self._uniform(generator, len(images), 1, 1, 1) * self.config.contrast
        return (images * gain).clamp_(0, 1)


def _spread_matrix() -> Tensor:
    """[28, knots]: Gaussian smoothing from the coarse grid to the pixels, scaled to unit variance everywhere."""
    pixels = torch.arange(SIDE) + 0.5
    knots = torch.linspace(0, SIDE, _KNOTS)
    weights = torch.exp(-((pixels[:, None] - knots[None, :]) ** 2) / (2 * _SMOOTHING**2))
    return weights / weights.square().sum(1, keepdim=True).sqrt()


def _dilate(images: Tensor) -> Tensor:
    """Each pixel becomes the darkest of itself and its four neighbours."""
    result = images.clone()
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        torch.maximum(result[..., here, :], images[..., there, :], out=result[..., here, :])
        torch.maximum(result[..., here], images[..., there], out=result[..., here])
    return result


def _blur(images: Tensor) -> Tensor:
    kernel = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    images = functional.conv2d(images, kernel.view(1, 1, 1, 3), padding=(0, 1))
    return functional.conv2d(images, kernel.view(1, 1, 3, 1), padding=(1, 0))
