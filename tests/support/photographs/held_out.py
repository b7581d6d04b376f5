"""MNIST digits that no shipped model was trained on: held-out training images, and test images."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LabeledImages = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images [N, 28, 28], 0 = paper to 255 = ink, and labels [N]."""


def held_out(data: Path, count: int = 5_000) -> LabeledImages:
    """Load the last `count` of MNIST's training images, which training holds out.

    Args:
        data: the folder of data sets.
        count: number of images.
    """
    images, labels = _read(data, "train")
    return images[-count:], labels[-count:]


def official_test(data: Path) -> LabeledImages:
    """Load MNIST's test images from the folder of data sets."""
    return _read(data, "t10k")


def _read(data: Path, part: str) -> LabeledImages:
    with gzip.open(data / "mnist" / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(data / "mnist" / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels
