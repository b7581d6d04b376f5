"""Every writer on a disk without space: the error names the file, the old content stays, nothing temporary is left."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from service.bundle.write_errors import attribute_write_errors, remedy, write_error
from tests.support.classifier_bundles import write_classifier
from training.bilstm_crf.config import PRESETS as TAGGERS
from training.bilstm_crf.multi_seed import SEEDS, create_series
from training.common.checkpoint import load_checkpoint, save_checkpoint
from training.common.data_files import DataFile
from training.common.downloads import fetch_path
from training.common.files import append_text, new_memory_map, write_json
from training.common.plots import save_figure
from training.common.run import Run
from training.common.vectors import WordVectors, save_vectors, write_vectors
from training.seq2seq.distillation import translate_corpus
from training.seq2seq.translations_tsv import Row, write_translations
from training.word2vec.data.corpus import CorpusSettings, open_corpus

pytestmark = pytest.mark.torch

VECTORS = WordVectors(words=("a", "b"), matrix=np.ones((2, 50_000), np.float32), counts=None)


@contextmanager
def full_disk(size: int = 40_000) -> Iterator[None]:
    """No file grows above a size in bytes. Like a full disk, this lets a part of the content be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _download(folder: Path) -> None:
    def client() -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"0" * 200_000)))

    fetch_path(DataFile(folder="f", name="x.bin", address="https://example.org/x.bin", checksum=""), client=client)


def _corpus(folder: Path) -> None:
    text = folder.parent / "text.txt"  # not in the folder that is compared
    if not text.exists():
        pytest.fail("made before the disk is full")
    open_corpus(str(text), CorpusSettings(tokenizer="letters", min_count=1, max_vocabulary=0), folder / "corpus")


def _figure(folder: Path) -> None:
    figure = Figure(figsize=(20, 20))
    figure.add_subplot().imshow(np.random.default_rng(0).random((900, 900)))
    save_figure(figure, folder / "plot.png")


def _log(folder: Path) -> None:
    run = Run(folder)
    try:
        run.logger().info("x" * 200_000)
    finally:
        run.close()


ROW = Row(source="x" * 100_000, reference="y", translation="z", near_duplicate=False)

WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "checkpoint": ("last.pt", lambda f: save_checkpoint(f / "last.pt", config={}, model=torch.ones(100_000))),
    "json": ("x.json", lambda f: write_json(f / "x.json", "x" * 200_000)),
    "evaluation": ("evaluation.json", lambda f: Run(f).add_evaluation("dev", {"x": "x" * 200_000})),
    "metrics": ("metrics.jsonl", lambda f: Run(f).add_metrics({"x": "x" * 200_000})),
    "log": ("log.txt", _log),
    "appended": ("x.txt", lambda f: append_text(f / "x.txt", "x" * 200_000)),
    "picture": ("plot.png", _figure),
    "vectors of a run": ("vectors.npy", lambda f: save_vectors(VECTORS, f)),
    "vectors as text": ("v.txt", lambda f: write_vectors(VECTORS, f / "v.txt", format="glove")),
    "vectors as binary": ("v.bin", lambda f: write_vectors(VECTORS, f / "v.bin", format="word2vec-binary")),
    "table": ("t.npy", lambda f: new_memory_map(f / "t.npy", np.float32, (1_000, 50))),
    "bundle": ("digits", lambda f: write_classifier(f, "digits")),
    "download": ("cache/lectern/f/x.bin", _download),
    "corpus": ("corpus", _corpus),
    "translations": ("t.tsv", lambda f: write_translations(f / "t.tsv", [ROW])),
    "translated corpus": ("t.tsv", lambda f: translate_corpus(lambda t: [*t], ["x" * 90_000], f / "t.tsv", swap=False)),
    "seeds": (f"series/{SEEDS}", lambda f: create_series(f / "series", TAGGERS["debug"], 2)),
    "config": ("run/config.json", lambda f: Run.create(f / "run", family="x", config={"a": "x" * 200_000})),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_with_the_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = WRITERS[name]
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("LECTERN_DATA", raising=False)
    (tmp_path / "text.txt").write_text("a few words of text\n" * 5_000)
    target = folder / path
    before = {}
    if target.suffix and name not in ("config", "table", "seeds"):
        target.parent.mkdir(parents=True, exist_ok=True)
        if name != "translated corpus" and name != "download":
            target.write_text("{}\n")
            before = {target: "{}\n"}
    with (
        full_disk(100 if name in ("bundle", "seeds") else 40_000),
        pytest.raises(OSError, match="File too large") as caught,
    ):
        write(folder)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(target))
    for file, content in before.items():
        text = file.read_text()
        assert text == content if name != "log" else text.startswith(content)
    left = [file for file in folder.rglob("*") if "partial" in file.name]
    assert not left


def test_the_last_whole_checkpoint_stays(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, config={}, epoch=1)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        save_checkpoint(path, config={}, epoch=2, model=torch.ones(100_000))
    assert load_checkpoint(path)["epoch"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_metrics_are_whole_lines_after_a_full_disk(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.add_metrics({"epoch": 1})
    with full_disk(), pytest.raises(OSError, match="File too large"):
        run.add_metrics({"epoch": 2, "x": "x" * 100_000})
    run.add_metrics({"epoch": 2})
    assert [record["epoch"] for record in run.metrics()] == [1, 2]


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda folder: folder / "gone" / "last.pt", errno.ENOENT),
        (lambda folder: folder / "file" / "last.pt", errno.ENOTDIR),
        (lambda folder: folder / ("n" * 250), errno.ENAMETOOLONG),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, make: Callable[[Path], Path], number: int) -> None:
    (tmp_path / "file").touch()
    path = make(tmp_path)
    with pytest.raises(OSError, match=path.name) as caught:
        save_checkpoint(path, config={})
    assert (caught.value.errno, caught.value.filename) == (number, str(path))


def test_errors_of_another_file_and_of_no_file_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, attribute_write_errors(tmp_path / "x"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")
    with pytest.raises(RuntimeError, match="shapes"), attribute_write_errors(tmp_path / "x"):
        raise RuntimeError("shapes do not fit")
    assert write_error(tmp_path) is None
    gone = write_error(tmp_path / "gone")
    assert gone is not None
    assert gone.errno == errno.ENOENT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_remedy_goes_with_it(number: int) -> None:
    assert "name another folder" in remedy(OSError(number, os.strerror(number), "x"))
