"""Readers of image data: idx files like MNIST's, or one folder of pictures per class."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import ImageError, ImagePreprocessing, decode_image, normalize
from training.common.errors import DatasetError
from training.common.progress import progress_bar
from training.lenet.network.model import SIDE

_IDX_NAMES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class LabeledImages:
    """Images uint8 [N, 28, 28] with their class names [N], and the file or folder they came from."""

    images: NDArray[np.uint8]
    labels: list[str]
    source: str


def read_idx(content: bytes, source: str, dimensions: int) -> NDArray[np.uint8]:
    """Parse an idx file of unsigned bytes.

    Args:
        content: the file's bytes.
        source: the file's name, for error messages.
        dimensions: expected number of dimensions.

    Raises:
        DatasetError: wrong magic number, or more or fewer bytes than the header says.
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DatasetError(
            f"{source}: is no idx{dimensions}-ubyte file (it begins with {content[:4].hex() or 'nothing'}, "
            f"not with 000008{dimensions:02x})"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "too long"
        raise DatasetError(f"{source}: is {state}: {len(content)} bytes, its header says {expected}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def idx_images(images: tuple[bytes, str], labels: tuple[bytes, str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Parse a pair of idx files, each as (content, name).

    Returns:
        Images [N, 28, 28] and label numbers [N].

    Raises:
        DatasetError: a file is malformed, the counts differ, there are no images, or they are not 28x28.
    """
    pictures, numbers = read_idx(*images, 3), read_idx(*labels, 1)
    if len(pictures) != len(numbers):
        raise DatasetError(f"{images[1]} has {len(pictures)} images, but {labels[1]} has {len(numbers)} labels")
    if not len(pictures):
        raise DatasetError(f"{images[1]}: has no images")
    if pictures.shape[1:] != (SIDE, SIDE):
        raise DatasetError(f"{images[1]}: its images are {pictures.shape[2]}x{pictures.shape[1]}, not {SIDE}x{SIDE}")
    return pictures, numbers.astype(np.int64)


def has_idx_files(folder: Path) -> bool:
    """Whether a folder holds idx files."""
    return any(folder.glob("*-idx[13]-ubyte*"))


def read_idx_folder(folder: Path) -> tuple[LabeledImages, LabeledImages | None]:
    """Read training images, and test images if the folder has the t10k files; classes are named by their numbers."""
    train = _idx_part(folder, "train")
    has_test = any(folder.glob(f"{_IDX_NAMES['test']}-*-ubyte*"))
    return train, _idx_part(folder, "test") if has_test else None


def read_picture_folder(
    folder: Path, normalizer: Literal["mnist", "fit"]
) -> tuple[LabeledImages, LabeledImages | None]:
    """Read pictures from one folder per class, which names the class; folders `train` and `test` may contain them.

    Pictures are decoded and normalized by the same functions as in serving.
    """
    preprocessing = ImagePreprocessing(normalizer=normalizer, height=SIDE, width=SIDE)
    if (folder / "train").is_dir():
        train = _pictures(folder / "train", preprocessing)
        return train, _pictures(folder / "test", preprocessing) if (folder / "test").is_dir() else None
    return _pictures(folder, preprocessing), None


def _idx_part(folder: Path, part: str) -> LabeledImages:
    """Read the images and labels of one part, `train` or `test`."""
    images, labels = (_idx_file(folder, f"{_IDX_NAMES[part]}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    pictures, numbers = idx_images(images, labels)
    return LabeledImages(pictures, [str(number) for number in numbers], labels[1])


def _idx_file(folder: Path, name: str) -> tuple[bytes, str]:
    """Read a file that may be gzipped: its content and its path."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            content = path.read_bytes()
            try:
                return (gzip.decompress(content) if path.suffix == ".gz" else content), str(path)
            except (OSError, EOFError, zlib.error) as error:
                raise DatasetError(f"{path}: cannot be decompressed ({error}); copy it again") from error
    raise DatasetError(f"{folder / name}: is missing (and so is {name}.gz)")


def _pictures(folder: Path, preprocessing: ImagePreprocessing) -> LabeledImages:
    """Read the pictures of all class folders."""
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        raise DatasetError(f"{folder}: has {len(classes)} folders of pictures; it needs one per class, at least two")
    files = [(path, directory.name) for directory in classes for path in _files(directory)]
    images = np.empty((len(files), SIDE, SIDE), np.uint8)
    with progress_bar(total=len(files), description=f"reading {folder.name}", unit="picture") as progress:
        for row, (path, _) in enumerate(files):
            images[row] = _picture(path, preprocessing)
            progress.update()
    return LabeledImages(images, [label for _, label in files], str(folder))


def _files(directory: Path) -> list[Path]:
    """The visible files of a class folder."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise DatasetError(f"{directory}: has no pictures; add some or remove the folder")
    return files


def _picture(path: Path, preprocessing: ImagePreprocessing) -> NDArray[np.uint8]:
    """Decode and normalize a picture, uint8 [28, 28]."""
    try:
        pixels = normalize(decode_image(path.read_bytes()), preprocessing)
    except ImageError as error:
        raise DatasetError(f"{path}: {error.reason}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    return np.rint(pixels * 255).astype(np.uint8)
