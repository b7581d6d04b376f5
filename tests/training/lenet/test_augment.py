"""Data augmentation: reproducible, within range, each distortion disabled by 0."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.training.conftest import SHAPES, draw_shape
from training.lenet.config import AugmentConfig
from training.lenet.data.augment import Augmenter

pytestmark = pytest.mark.torch

OFF = AugmentConfig(**{f.name: 0.0 for f in fields(AugmentConfig) if f.name != "augment"})


def shapes(count: int = 32) -> torch.Tensor:
    random = np.random.default_rng(0)
    images = np.stack([draw_shape(SHAPES[number % 3], random) for number in range(count)])
    return torch.from_numpy(images)[:, None].float() / 255


def distort(config: AugmentConfig, images: torch.Tensor, seed: int = 0, strength: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return Augmenter(config, torch.device("cpu"))(images, generator, strength)


def test_equal_seeds_give_equal_images() -> None:
    config = AugmentConfig()
    assert torch.equal(distort(config, shapes(), 1), distort(config, shapes(), 1))
    assert not torch.equal(distort(config, shapes(), 1), distort(config, shapes(), 2))


def test_pixels_stay_in_range_and_ink_is_kept() -> None:
    images = shapes()
    result = distort(AugmentConfig(), images)
    assert result.shape == images.shape
    assert result.min() >= 0
    assert result.max() <= 1
    ratio = result.sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert ratio.min() > 0.3
    assert ratio.max() < 3


def test_disabled_distortions_change_nothing() -> None:
    torch.testing.assert_close(distort(OFF, shapes()), shapes(), atol=1e-5, rtol=0)
    assert torch.equal(distort(replace(AugmentConfig(), augment=False), shapes()), shapes())


@pytest.mark.parametrize(
    "name", [f.name for f in fields(AugmentConfig) if f.name not in ("augment", "weak_augment_fraction")]
)
def test_each_distortion_has_an_effect_alone(name: str) -> None:
    value = 10.0 if name == "rotation" else 0.5
    assert (distort(replace(OFF, **{name: value}), shapes()) - shapes()).abs().max() > 0.02


def test_the_input_is_not_modified() -> None:
    images = shapes()
    distort(AugmentConfig(), images)
    assert torch.equal(images, shapes())


def test_shift_moves_by_at_most_its_pixels() -> None:
    dot = torch.zeros(64, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    result = distort(replace(OFF, shift=2.0), dot)
    rows = (result.sum((1, 3)) * torch.arange(28.0)).sum(1) / result.sum((1, 2, 3)) - 13.5
    assert rows.abs().max() <= 2.001
    assert rows.abs().max() > 1.5


def test_rotation_turns_by_at_most_its_degrees() -> None:
    bar = torch.zeros(64, 1, 28, 28)
    bar[:, :, 13:15, 2:26] = 1
    result = distort(replace(OFF, rotation=20.0), bar)[:, 0]
    x, y = torch.meshgrid(torch.arange(28.0) - 13.5, torch.arange(28.0) - 13.5, indexing="xy")
    angle = torch.rad2deg(0.5 * torch.atan2(2 * (result * x * y).sum((1, 2)), (result * (x * x - y * y)).sum((1, 2))))
    assert 15 < angle.abs().max() <= 20.5


def test_strokes_thicken_in_one_half_and_thin_in_the_other() -> None:
    change = (distort(replace(OFF, stroke=0.5), shapes()) - shapes()).sum((1, 2, 3))
    assert (change[:16] >= 0).all()
    assert (change[16:] <= 0).all()


def test_elastic_displacement_has_the_configured_deviation() -> None:
    """Its standard deviation is the setting; the brightness of a ramp measures how far each pixel moved."""
    ramp = (torch.arange(28.0) / 28).expand(256, 1, 28, 28).contiguous()
    moved = (distort(replace(OFF, elastic=1.5), ramp) - ramp)[:, 0, 8:20, 8:20] * 28
    assert abs(float(moved.std()) - 1.5) < 0.15


def test_half_strength_moves_half_as_far() -> None:
    dot = torch.zeros(64, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    result = distort(replace(OFF, shift=4.0), dot, strength=0.5)
    rows = (result.sum((1, 3)) * torch.arange(28.0)).sum(1) / result.sum((1, 2, 3)) - 13.5
    assert 1.5 < rows.abs().max() <= 2.001
