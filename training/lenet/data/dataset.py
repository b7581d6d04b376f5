"""Images and labels for LeNet: MNIST, the user's own idx files, or folders of pictures."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.common.data_files import MNIST
from training.common.datasets import fetch
from training.common.errors import ConfigError, DatasetError
from training.common.seed import generator
from training.lenet.config import LenetConfig
from training.lenet.data.sources import Labelled, has_idx_files, idx_images, read_idx_folder, read_picture_folder


@dataclass(frozen=True)
class Split:
    """Images [N, 28, 28], 0 = paper to 255 = ink, and the indices of their labels [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.int64]) -> "Split":
        """The images at `indices`."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, kw_only=True)
class Digits:
    """A data set: what is trained on, held out and tested on, with the names of its labels."""

    name: str
    labels: tuple[str, ...]
    train: Split
    dev: Split
    test: Split | None
    licence: str
    attribution: str

    def sha256(self) -> str:
        """Of the images and labels that are trained on and held out."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for part in (self.train, self.dev):
            digest.update(part.images.tobytes())
            digest.update(part.labels.tobytes())
        return digest.hexdigest()


def load_digits(config: LenetConfig) -> Digits:
    """The data set that `config.data` names, its training images divided into train and dev.

    Raises:
        DatasetError: it is missing or malformed; the text names the file.
        ConfigError: the network that is asked for does not fit its labels.
    """
    digits = load_mnist(config.dev) if config.data == "mnist" else _load_own(config)
    if config.output == "rbf" and digits.labels != tuple("0123456789"):
        raise ConfigError(
            "--output rbf has bitmaps for the labels 0 to 9 only, "
            f"and {digits.name} has {', '.join(digits.labels[:12])}; use --output softmax"
        )
    return digits


def _load_own(config: LenetConfig) -> Digits:
    folder = Path(config.data)
    if not folder.is_dir():
        raise DatasetError(
            f"--data {config.data}: is no folder; give `mnist`, a folder with idx files, "
            "or a folder with one folder of pictures per class"
        )
    if has_idx_files(folder):
        train, test = read_idx_folder(folder)
    else:
        train, test = read_picture_folder(folder, config.normaliser)
    return _divide(folder.resolve().name, train, test, config)


def load_mnist(dev: float) -> Digits:
    """MNIST: 60,000 training images, of which the last `dev` are held out, and 10,000 test images.

    The last ones, so that whoever needs images that no shipped model was trained on knows which they are.
    """
    parts = {}
    for part in ("train", "test"):
        images, labels = MNIST[f"{part}-images"], MNIST[f"{part}-labels"]
        parts[part] = Split(*idx_images((fetch(images), images.name), (fetch(labels), labels.name)))
    whole = parts["train"]
    kept = len(whole) - min(round(dev * len(whole) if dev < 1 else dev), len(whole) // 2)
    return Digits(
        name="MNIST",
        labels=tuple("0123456789"),
        train=Split(whole.images[:kept], whole.labels[:kept]),
        dev=Split(whole.images[kept:], whole.labels[kept:]),
        test=parts["test"],
        licence="CC-BY-SA-3.0",
        attribution="MNIST by Yann LeCun and Corinna Cortes",
    )


def _divide(name: str, train: Labelled, test: Labelled | None, config: LenetConfig) -> Digits:
    """The user's own images: labels become indices, and a part of the training images is held out."""
    labels = sorted(
        set(train.labels), key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label)
    )
    if len(labels) < 2:
        raise DatasetError(f"{train.source}: has {len(labels)} class; a classifier needs at least two")
    unknown = sorted(set(test.labels) - set(labels)) if test else []
    if test and unknown:
        raise DatasetError(f"{test.source}: has the class {unknown[0]!r}, which {train.source} has not")
    index = {label: number for number, label in enumerate(labels)}
    whole, held_for_test = (
        Split(part.images, np.array([index[label] for label in part.labels], np.int64)) if part else None
        for part in (train, test)
    )
    assert whole is not None
    kept, dev = split_dev(whole, config.dev, config.split_seed)
    return Digits(
        name=name, labels=tuple(labels), train=kept, dev=dev, test=held_for_test, licence="unspecified", attribution=""
    )


def split_dev(whole: Split, dev: float, seed: int) -> tuple[Split, Split]:
    """Hold out `dev` images (a number, or a share below 1), every class in its proportion.

    At most a tenth of the set is held out when `dev` is a number, and each class keeps an image to train on.
    """
    wanted = dev * len(whole) if dev < 1 else min(dev, len(whole) / 10)
    order = torch.randperm(len(whole), generator=generator(seed, "split")).numpy()
    by_class = order[np.argsort(whole.labels[order], kind="stable")]
    counts = np.bincount(whole.labels)
    rank, size = np.concatenate([np.arange(count) for count in counts]), np.repeat(counts, counts)
    # The first ones by their relative place within the class: every class gives its share, and the total is exact.
    candidates = np.argsort((rank + 0.5) / size, kind="stable")
    candidates = candidates[rank[candidates] < size[candidates] - 1]
    if not len(candidates):
        raise DatasetError("every class has a single image; none is left to hold out: give at least two of a class")
    held = np.zeros(len(whole), dtype=bool)
    held[by_class[candidates[: max(1, round(wanted))]]] = True
    return whole.take(np.flatnonzero(~held)), whole.take(np.flatnonzero(held))
