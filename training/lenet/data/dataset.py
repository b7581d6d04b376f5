"""Data sets for LeNet: MNIST, the user's own idx files, or folders of pictures."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.common.data_files import MNIST
from training.common.downloads import fetch
from training.common.errors import ConfigError, DatasetError
from training.common.seed import generator
from training.lenet.config import LenetConfig
from training.lenet.data.idx_files import has_idx_files, idx_images, read_idx_folder
from training.lenet.data.labeled_images import LabeledImages
from training.lenet.data.picture_folders import read_picture_folder


@dataclass(frozen=True)
class Split:
    """Images [N, 28, 28], 0 = paper to 255 = ink, and label indices [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.int64]) -> "Split":
        """The subset of the images at `indices`."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """A data set with its splits and label names."""

    name: str
    labels: tuple[str, ...]
    train: Split
    dev: Split
    test: Split | None
    licence: str
    attribution: str
    notes: tuple[str, ...] = ()
    """Lines for the log and the model card: what was left out, and what may be wrong."""

    def sha256(self) -> str:
        """SHA-256 of the labels and of the train and dev images."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for part in (self.train, self.dev):
            digest.update(part.images.tobytes())
            digest.update(part.labels.tobytes())
        return digest.hexdigest()


def load_images(config: LenetConfig) -> ImageData:
    """Load the configured data set, its training images split into train and dev.

    Raises:
        DatasetError: a file is missing or malformed; the message names it.
        ConfigError: the configured network does not fit the labels.
    """
    data = load_mnist(config.dev) if config.data == "mnist" else _load_own(config)
    if config.output == "rbf" and data.labels != tuple("0123456789"):
        raise ConfigError(
            "--output rbf has bitmaps for the labels 0 to 9 only, "
            f"and {data.name} has {', '.join(data.labels[:12])}; use --output softmax"
        )
    return data


def _load_own(config: LenetConfig) -> ImageData:
    """Load the user's own images from the folder that `config.data` names."""
    folder = Path(config.data)
    if not folder.is_dir():
        raise DatasetError(
            f"--data {config.data}: is no folder; give `mnist`, a folder with idx files, "
            "or a folder with one folder of pictures per class"
        )
    if has_idx_files(folder):
        train, test = read_idx_folder(folder)
    else:
        train, test = read_picture_folder(
            folder, config.normalizer, skip_bad=config.skip_bad, sub_folders=config.sub_folders
        )
    return _to_image_data(folder.resolve().name, train, test, config)


def load_mnist(dev: float) -> ImageData:
    """Load MNIST: 60,000 training images, of which the last `dev` are held out, and 10,000 test images.

    The held-out images are always the last ones, so it is known which images no shipped model was trained on.
    """
    parts = {}
    for part in ("train", "test"):
        images, labels = MNIST[f"{part}-images"], MNIST[f"{part}-labels"]
        parts[part] = Split(*idx_images((fetch(images), images.name), (fetch(labels), labels.name)))
    training = parts["train"]
    count = len(training) - min(round(dev * len(training) if dev < 1 else dev), len(training) // 2)
    return ImageData(
        name="MNIST",
        labels=tuple("0123456789"),
        train=Split(training.images[:count], training.labels[:count]),
        dev=Split(training.images[count:], training.labels[count:]),
        test=parts["test"],
        licence="CC-BY-SA-3.0",
        attribution="MNIST by Yann LeCun and Corinna Cortes",
    )


def _to_image_data(name: str, train: LabeledImages, test: LabeledImages | None, config: LenetConfig) -> ImageData:
    """Convert label names to indices, and hold out some of the training images as dev."""
    labels = sorted(
        set(train.labels), key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label)
    )
    if len(labels) < 2:
        raise DatasetError(f"{train.source}: has {len(labels)} class; a classifier needs at least two")
    unknown = sorted(set(test.labels) - set(labels)) if test else []
    if test and unknown:
        raise DatasetError(f"{test.source}: has the class {unknown[0]!r}, which {train.source} has not")
    index = {label: number for number, label in enumerate(labels)}
    training, test_split = (
        Split(part.images, np.array([index[label] for label in part.labels], np.int64)) if part else None
        for part in (train, test)
    )
    assert training is not None
    kept, dev = split_dev(training, config.dev, config.split_seed)
    return ImageData(
        name=name,
        labels=tuple(labels),
        train=kept,
        dev=dev,
        test=test_split,
        licence="unspecified",
        attribution="",
        notes=(*train.notes, *(test.notes if test else ())),
    )


def split_dev(training: Split, dev: float, seed: int) -> tuple[Split, Split]:
    """Hold out `dev` images (a number, or a fraction below 1), stratified by class.

    If `dev` is a number, at most a tenth of the images is held out. Each class keeps at least one image to train on.
    """
    target = dev * len(training) if dev < 1 else min(dev, len(training) / 10)
    order = torch.randperm(len(training), generator=generator(seed, "split")).numpy()
    by_class = order[np.argsort(training.labels[order], kind="stable")]
    counts = np.bincount(training.labels)
    rank, size = np.concatenate([np.arange(count) for count in counts]), np.repeat(counts, counts)
    # Ordered by relative rank within the class: every class contributes its proportion, and the total is exact.
    candidates = np.argsort((rank + 0.5) / size, kind="stable")
    candidates = candidates[rank[candidates] < size[candidates] - 1]
    if not len(candidates):
        raise DatasetError("every class has a single image; none is left to hold out: give at least two of a class")
    held_out = np.zeros(len(training), dtype=bool)
    held_out[by_class[candidates[: max(1, round(target))]]] = True
    return training.take(np.flatnonzero(~held_out)), training.take(np.flatnonzero(held_out))
