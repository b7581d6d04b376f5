"""Data sets: idx files and folders of pictures, valid and malformed."""

from pathlib import Path

import numpy as np
import pytest

from service.tasks.image_classification.preprocessing import ImagePreprocessing, decode_image, normalize
from tests.training.conftest import idx_bytes, write_idx
from training.common.config import from_dict, to_dict
from training.common.errors import ConfigError, DatasetError
from training.lenet.config import LenetConfig
from training.lenet.data.dataset import Split, load_images, load_mnist, split_dev
from training.lenet.data.idx_files import read_idx

pytestmark = pytest.mark.torch


def load(folder: Path, **settings: object) -> object:
    return load_images(LenetConfig(data=str(folder), **settings))  # type: ignore[arg-type]


def test_idx_files_plain_and_compressed(idx_folder: Path) -> None:
    digits = load_images(LenetConfig(data=str(idx_folder)))
    assert digits.labels == ("0", "1", "2")
    assert (len(digits.train), len(digits.dev)) == (86, 10)
    assert digits.test is not None
    assert digits.test.images.shape == (30, 28, 28)
    assert digits.name == "shapes-idx"


def test_labels_need_not_begin_at_zero_and_sort_as_numbers(tmp_path: Path) -> None:
    labels = np.array([10, 2, 10, 2, 7, 7] * 5, np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((30, 28, 28), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    assert load_images(LenetConfig(data=str(tmp_path))).labels == ("2", "7", "10")


def test_pictures_are_normalized_as_in_serving(picture_folder: Path) -> None:
    digits = load_images(LenetConfig(data=str(picture_folder)))
    assert digits.labels == ("bar", "cross", "ring")
    assert digits.test is None
    first = normalize(decode_image((picture_folder / "bar" / "0.png").read_bytes()), ImagePreprocessing())
    everything = np.concatenate([digits.train.images, digits.dev.images])
    assert any(np.array_equal(image, np.rint(first * 255).astype(np.uint8)) for image in everything)


def test_train_and_test_folders_above_the_classes(picture_folder: Path) -> None:
    for part in ("train", "test"):
        (picture_folder.parent / "both").mkdir(exist_ok=True)
        (picture_folder.parent / "both" / part).symlink_to(picture_folder)
    digits = load_images(LenetConfig(data=str(picture_folder.parent / "both")))
    assert digits.test is not None
    assert len(digits.test) == 36


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x: is no idx3-ubyte file"),
        (bytes((0, 0, 8, 1)) + bytes(12), "begins with 00000801, not with 00000803"),
        (idx_bytes(np.zeros((2, 28, 28), np.uint8))[:-1], "x: is truncated: 1583 bytes, its header says 1584"),
        (idx_bytes(np.zeros((2, 28, 28), np.uint8)) + b"1", "x: is too long"),
    ],
)
def test_malformed_idx_files(content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_idx(content, "x", 3)


def test_different_numbers_of_images_and_labels(idx_folder: Path) -> None:
    (idx_folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(95, np.uint8)))
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte has 96 images, but .* has 95 labels"):
        load(idx_folder)


def test_images_of_another_size(idx_folder: Path) -> None:
    (idx_folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((96, 32, 30), np.uint8)))
    with pytest.raises(DatasetError, match="its images are 30x32, not 28x28"):
        load(idx_folder)


def test_a_missing_labels_file_and_a_damaged_archive(idx_folder: Path) -> None:
    (idx_folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte: is missing"):
        load(idx_folder)
    (idx_folder / "train-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte\.gz: cannot be decompressed"):
        load(idx_folder)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((9, 28, 28), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(9, np.uint8)))
    with pytest.raises(DatasetError, match="has 1 class; a classifier needs at least two"):
        load(tmp_path)


def test_a_test_class_that_was_not_trained_on(idx_folder: Path) -> None:
    write_idx(idx_folder, "t10k", 30)
    (idx_folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(30, 9, np.uint8)))
    with pytest.raises(DatasetError, match=r"has the class '9', which .*train-labels-idx1-ubyte has not"):
        load(idx_folder)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="absent: is no folder; give `mnist`"):
        load(tmp_path / "absent")
    with pytest.raises(DatasetError, match="has 0 folders of pictures"):
        load(tmp_path)


def test_rbf_units_need_the_ten_digits(idx_folder: Path) -> None:
    with pytest.raises(ConfigError, match="labels 0 to 9 only, and shapes-idx has 0, 1, 2; use --output softmax"):
        load(idx_folder, output="rbf")


def test_an_empty_class(picture_folder: Path) -> None:
    (picture_folder / "dot").mkdir()
    with pytest.raises(DatasetError, match="dot: has no pictures; add some or remove the folder"):
        load(picture_folder)


@pytest.mark.parametrize(("dev", "expected"), [(5000.0, [6, 5, 1]), (0.25, [15, 12, 3]), (10.0, [5, 4, 1])])
def test_dev_is_stratified_by_class(dev: float, expected: list[int]) -> None:
    training = Split(np.arange(120, dtype=np.uint8)[:, None, None], np.repeat([0, 1, 2], [60, 48, 12]))
    train, held_out = split_dev(training, dev, seed=0)
    assert np.bincount(held_out.labels).tolist() == expected
    assert sorted([*train.images.ravel(), *held_out.images.ravel()]) == list(range(120))


def test_the_split_depends_on_its_seed_only() -> None:
    training = Split(np.arange(100, dtype=np.uint8)[:, None, None], np.arange(100) % 4)
    first, repeated, different = (split_dev(training, 20.0, seed)[1].images.ravel().tolist() for seed in (1, 1, 2))
    assert first == repeated != different


def test_a_class_of_one_image_is_trained_on() -> None:
    training = Split(np.zeros((11, 28, 28), np.uint8), np.array([0] * 10 + [1]))
    train, held_out = split_dev(training, 5.0, seed=0)
    assert held_out.labels.tolist() == [0]
    assert 1 in train.labels
    with pytest.raises(DatasetError, match="every class has a single image"):
        split_dev(Split(np.zeros((2, 28, 28), np.uint8), np.array([0, 1])), 1.0, seed=0)


def test_mnist_has_its_sizes_and_balanced_classes(data_dir: Path) -> None:
    digits = load_mnist(5000.0)
    assert (len(digits.train), len(digits.dev)) == (55_000, 5_000)
    assert digits.test is not None
    assert len(digits.test) == 10_000
    ratios = np.bincount(digits.dev.labels) / np.bincount(digits.train.labels)
    assert ratios.std() < 0.02


def test_stored_configurations_keep_the_key_normaliser() -> None:
    config = LenetConfig(normalizer="fit")
    assert to_dict(config)["normaliser"] == "fit"
    assert from_dict(LenetConfig, {"normaliser": "fit"}) == config
