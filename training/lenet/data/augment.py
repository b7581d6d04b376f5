"""Data augmentation of a batch of images, in PyTorch.

The steps in order: geometric distortion (rotation, shear, scale, shift and elastic displacement in one resampling),
stroke width, low resolution and blur, contrast.

Elastic displacement follows Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks", 2003: a
random field smoothed by a Gaussian. Noise on a coarse grid, smoothed up to the pixels, gives such fields at low cost.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.lenet.config import AugmentConfig
from training.lenet.network.model import SIDE

_KNOTS = 7
"""Points per side of the coarse grid of elastic displacements."""
_SMOOTHING = 4.0
"""Standard deviation of the Gaussian in pixels; sigma in the paper."""


class Augmenter:
    """Distorts batches as configured; all random numbers come from the generator of each call."""

    def __init__(self, config: AugmentConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        self._smoothing = _smoothing_matrix().to(device)
        across = ((torch.arange(SIDE) + 0.5) * 2 / SIDE - 1).expand(SIDE, SIDE)
        # Homogeneous coordinates x, y, 1 of all pixels, [3, pixels], with x and y in -1..1, for 2x3 affine matrices.
        self._coordinates = torch.stack([across, across.T, torch.ones(SIDE, SIDE)]).view(3, -1).to(device)

    def __call__(self, images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Distort images [B, 1, 28, 28] in 0..1; `strength` scales the geometric distortion."""
        if not self.config.augment:
            return images
        images = self._distort(images, generator, strength)
        images = self._change_strokes(images, generator)
        images = self._degrade(images, generator)
        return self._change_contrast(images, generator)

    def _uniform(self, generator: torch.Generator, *shape: int) -> Tensor:
        """Uniform random numbers in -1..1, drawn on the CPU so that they are the same for every device."""
        return (torch.rand(shape, generator=generator) * 2 - 1).to(self.device)

    def _distort(self, images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
        """Apply a random affine map and elastic displacement to each image."""
        c, count = self.config, len(images)
        draws = self._uniform(generator, 6, count) * strength
        angle = draws[0] * math.radians(c.rotation)
        cosine, sine = angle.cos(), angle.sin()
        scale, aspect = torch.exp(draws[1] * c.scale), torch.exp(draws[2] * c.aspect / 2)
        shear = draws[3] * c.shear
        # The inverse map, from output to input coordinates: rotation, shear, scale.
        scale_x, scale_y = scale * aspect, scale / aspect
        matrices = torch.stack(
            [
                cosine * scale_x, (shear * cosine - sine) * scale_x, draws[4] * (c.shift * 2 / SIDE),
                sine * scale_y, (shear * sine + cosine) * scale_y, draws[5] * (c.shift * 2 / SIDE),
            ],
            dim=1,
        ).view(count, 2, 3)  # fmt: skip
        noise = torch.randn((count, 2, _KNOTS, _KNOTS), generator=generator).to(self.device)
        displacement = (self._smoothing @ noise @ self._smoothing.T).view(count, 2, -1)
        affine = self._coordinates.expand(count, -1, -1)
        coordinates = torch.baddbmm(displacement, matrices, affine, beta=strength * c.elastic * 2 / SIDE)
        grid = coordinates.transpose(1, 2).reshape(count, SIDE, SIDE, 2)
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _change_strokes(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Thicken the strokes of half of the batch and thin the others, by blending with a dilation or erosion."""
        if not self.config.stroke:
            return images
        half = len(images) // 2  # the order within a batch is random
        amount = (self._uniform(generator, len(images), 1, 1, 1) + 1) * (self.config.stroke / 2)
        thicker, thinner = images[:half], images[half:]
        thicker = torch.lerp(thicker, _dilate(thicker), amount[:half])
        thinner = torch.lerp(thinner, 1 - _dilate(1 - thinner), amount[half:])
        return torch.cat([thicker, thinner])

    def _degrade(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Reduce the resolution of some images and blur others with a 3x3 binomial kernel."""
        count = len(images)
        coarse, blurred = round(self.config.low_resolution * count), round(self.config.blur * count)
        if not coarse + blurred:
            return images
        order = torch.randperm(count, generator=generator)
        side = int(torch.randint(11, 20, (1,), generator=generator))
        if coarse:  # in place: the images are a copy already
            small = functional.interpolate(images[order[:coarse]], size=side, mode="bilinear", antialias=True)
            images[order[:coarse]] = functional.interpolate(small, size=SIDE, mode="bilinear")
        if blurred:
            selected = order[coarse : coarse + blurred]
            images[selected] = _blur(images[selected])
        return images

    def _change_contrast(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Scale the ink of each image by a random factor."""
        if not self.config.contrast:
            return images
        gain = 1 + self._uniform(generator, len(images), 1, 1, 1) * self.config.contrast
        return (images * gain).clamp_(0, 1)


def _smoothing_matrix() -> Tensor:
    """Gaussian smoothing from the coarse grid to the pixels, [28, knots], scaled to unit variance at each pixel."""
    pixels = torch.arange(SIDE) + 0.5
    knots = torch.linspace(0, SIDE, _KNOTS)
    weights = torch.exp(-((pixels[:, None] - knots[None, :]) ** 2) / (2 * _SMOOTHING**2))
    return weights / weights.square().sum(1, keepdim=True).sqrt()


def _dilate(images: Tensor) -> Tensor:
    """Gray dilation by a 3x3 cross: each pixel becomes the maximum of itself and its four neighbors."""
    result = images.clone()
    for target, source in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        torch.maximum(result[..., target, :], images[..., source, :], out=result[..., target, :])
        torch.maximum(result[..., target], images[..., source], out=result[..., target])
    return result


def _blur(images: Tensor) -> Tensor:
    """Blur with the separable binomial kernel 1/4, 1/2, 1/4."""
    kernel = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    images = functional.conv2d(images, kernel.view(1, 1, 1, 3), padding=(0, 1))
    return functional.conv2d(images, kernel.view(1, 1, 3, 1), padding=(1, 0))
