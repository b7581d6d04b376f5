"""Reader of idx files like MNIST's."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.lenet.data.labeled_images import LabeledImages
from training.lenet.network.model import SIDE

_IDX_NAMES = {"train": "train", "test": "t10k"}


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
