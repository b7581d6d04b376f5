"""Tiny data sets of three shapes, as idx files and as pictures, and a run trained on them."""

import gzip
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from training.__main__ import main
from training.common import downloads, plots

SHAPES = ("bar", "cross", "ring")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Use one thread: results repeat bit for bit only with equal thread counts."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Seed torch before every test, so that random numbers do not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use a cache folder of the test's own, not the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def drawn_plots() -> dict[str, bytes]:
    """The plots that were drawn, by file name."""
    return {}


@pytest.fixture(autouse=True, scope="module")
def _plots_drawn_once(request: pytest.FixtureRequest, drawn_plots: dict[str, bytes]) -> Iterator[None]:
    """Draw the plots of a name once and copy them from then on: they take most of the time of a tiny run.

    Modules that test the plots draw every one.
    """
    draw = plots.draw

    def draw_once(figure: Figure, name: str) -> bytes:
        if name not in drawn_plots:
            drawn_plots[name] = draw(figure, name)
        return drawn_plots[name]

    with pytest.MonkeyPatch.context() as patch:
        if request.path.name not in ("test_evaluate.py", "test_plots.py", "test_full_disk.py"):
            patch.setattr(plots, "draw", draw_once)
        yield


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bytes], list[str]]:
    """Make every download get one answer; returns the list of the addresses that are requested."""

    def serve(status: int, content: bytes) -> list[str]:
        addresses: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            addresses.append(str(request.url))
            return httpx.Response(status, stream=httpx.ByteStream(content))

        monkeypatch.setattr(downloads, "_client", lambda: httpx.Client(transport=httpx.MockTransport(answer)))
        return addresses

    return serve


def draw_shape(shape: str, random: np.random.Generator, side: int = 28) -> NDArray[np.uint8]:
    """Draw a shape in white on black, [side, side], at a random position and size."""
    image = np.zeros((side, side), np.uint8)
    size = int(random.integers(side // 2, side * 3 // 4))
    x, y = (int(value) for value in random.integers(1, side - size, 2))
    width = max(2, side // 12)
    if shape == "ring":
        cv2.circle(image, (x + size // 2, y + size // 2), size // 2 - 1, 255, width)
    elif shape == "cross":
        cv2.line(image, (x, y), (x + size, y + size), 255, width)
        cv2.line(image, (x + size, y), (x, y + size), 255, width)
    else:
        cv2.line(image, (x + size // 2, y), (x + size // 2, y + size), 255, width)
    return image


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    """Encode an array as the content of an idx file."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(folder: Path, part: str, count: int, *, compressed: bool = False) -> None:
    """Write `count` shapes and their labels 0, 1, 2 as a pair of idx files."""
    random = np.random.default_rng(count)
    labels = np.arange(count, dtype=np.uint8) % len(SHAPES)
    images = np.stack([draw_shape(SHAPES[label], random) for label in labels])
    folder.mkdir(exist_ok=True)
    for name, values in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        content = idx_bytes(values)
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def picture(shape: str, random: np.random.Generator) -> bytes:
    """A PNG of a shape, dark on light, 60x60."""
    stream = io.BytesIO()
    Image.fromarray(255 - draw_shape(shape, random, 60)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """96 training images and 30 test images as idx files."""
    folder = tmp_path / "shapes-idx"
    write_idx(folder, "train", 96)
    write_idx(folder, "t10k", 30, compressed=True)
    return folder


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    """Twelve pictures each of three shapes, one folder per shape."""
    random = np.random.default_rng(0)
    for shape in SHAPES:
        (tmp_path / "shapes" / shape).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "shapes" / shape / f"{number}.png").write_bytes(picture(shape, random))
    return tmp_path / "shapes"


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the debug preset on idx files, next to its data."""
    folder = tmp_path_factory.mktemp("trained")
    write_idx(folder / "data", "train", 96)
    write_idx(folder / "data", "t10k", 30)
    run = folder / "run"
    assert main(["lenet", "train", "--preset", "debug", "--data", str(folder / "data"), "--run", str(run)]) == 0
    return run
