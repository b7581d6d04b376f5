"""The approximate index: it finds what exact search finds, and a bad file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import BundleError
from service.runtime.ann import ApproximateIndex, is_installed

pytest.importorskip("usearch")


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    rows = np.random.default_rng(0).standard_normal((2000, 24)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _write(path: Path, vectors: NDArray[np.float32], dtype: str) -> Path:
    import onnxruntime  # noqa: F401  (usearch before onnxruntime ends the process)
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="cos", dtype=dtype)
    index.add(np.arange(len(vectors)), vectors, threads=1)
    index.save(str(path))
    return path


@pytest.mark.parametrize("dtype", ["f32", "f16", "i8"])
def test_most_of_the_nearest_are_among_the_candidates(tmp_path: Path, vectors: NDArray[np.float32], dtype: str) -> None:
    index = ApproximateIndex(_write(tmp_path / "index", vectors, dtype), rows=2000, dimensions=24, expansion=64)
    candidates = index.candidates(vectors[:50], 10)
    assert candidates.shape == (50, 64)
    exact = np.argsort(-vectors[:50] @ vectors.T, axis=1)[:, :10]
    assert np.mean([len(set(best) & set(among)) / 10 for best, among in zip(exact, candidates, strict=True)]) > 0.97
    assert index.candidates(vectors[:1], 100).shape == (1, 100)
    assert index.candidates(np.zeros((1, 24), np.float32), 3).shape == (1, 64)


def test_there_are_never_more_candidates_than_rows(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    index = ApproximateIndex(_write(tmp_path / "index", vectors[:5], "f32"), rows=5, dimensions=24, expansion=64)
    for count in (1, 2):
        candidates = index.candidates(vectors[:count], 10)
        assert [sorted(row) for row in candidates.tolist()] == [[0, 1, 2, 3, 4]] * count


@pytest.mark.parametrize("content", [b"", b"not an index" * 100])
def test_what_is_no_index_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.usearch"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"index\.usearch: usearch cannot load it .*; import the vectors again"):
        ApproximateIndex(path, rows=1, dimensions=1, expansion=1)


@pytest.mark.parametrize("changes", [{"rows": 2001}, {"dimensions": 25}])
def test_the_index_of_another_table_is_refused(tmp_path: Path, vectors: NDArray[np.float32], changes: Any) -> None:
    path = _write(tmp_path / "index", vectors, "i8")
    with pytest.raises(BundleError, match=r"is an index of 2000 rows of 24 numbers, the table has"):
        ApproximateIndex(path, **({"rows": 2000, "dimensions": 24, "expansion": 8} | changes))


def test_the_library_is_found() -> None:
    assert is_installed()
