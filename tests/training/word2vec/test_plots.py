"""The plots and the table of nearest neighbors, with and without words in the vocabulary."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.pictures import is_drawn
from training.common.errors import DatasetError
from training.common.run import Run
from training.common.vectors import WordVectors
from training.word2vec.neighbors import nearest, neighbors_table
from training.word2vec.plots import CAPITALS, TOPICS, draw_run, draw_words, project

pytestmark = pytest.mark.torch

KNOWN = [word.lower() for groups in (CAPITALS, TOPICS) for words in groups.values() for word in words]


def vectors_of(words: list[str], seed: int = 0) -> WordVectors:
    matrix = np.random.default_rng(seed).normal(size=(len(words), 12)).astype(np.float32)
    return WordVectors(words=words, matrix=matrix)


def test_a_run_gets_its_pictures_and_table(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", family="word2vec", config={})
    for epoch, loss in ((0.5, 3.0), (1.0, None), (1.5, 2.5)):
        run.add_metrics({"epoch": epoch, "loss": loss, "words_per_second": 10_000})
    paths = draw_run(run, vectors_of(KNOWN))
    names = ["learning_curve.png", "capitals_pca.png", "topics_pca.png", "neighbors.md"]
    assert [path.name for path in paths] == names
    assert all(is_drawn(path) for path in paths[:3])
    assert "| red | " in paths[3].read_text(encoding="utf-8")


def test_a_vocabulary_of_another_language_gets_none(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", family="word2vec", config={})
    assert draw_run(run, vectors_of(["haus", "hund", "katze", "baum"])) == []


def test_chosen_words_by_t_sne(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "words.png"
    draw_words(path, vectors_of(KNOWN), {"mine": [*KNOWN[:20], "unheard-of"]}, method="tsne")
    assert is_drawn(path)


def test_too_few_words_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only 2 of red, green, puce are in the vocabulary of 79 words"):
        draw_words(tmp_path / "no.png", vectors_of(KNOWN[:79]), {"colors": ["red", "green", "puce"]})
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_projections_keep_clusters_apart_and_repeat(method: str) -> None:
    if method == "tsne":
        pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    centers = np.repeat(np.eye(2, 10), 15, axis=0)
    matrix = (centers + random.normal(size=(30, 10)) * 0.05).astype(np.float32)
    plane = project(matrix, method)
    assert plane.shape == (30, 2)
    spread = max(plane[:15].std(0).max(), plane[15:].std(0).max())
    assert np.linalg.norm(plane[:15].mean(0) - plane[15:].mean(0)) > 3 * spread
    np.testing.assert_array_equal(plane, project(matrix, method))


def test_nearest_are_the_best_cosines() -> None:
    vectors = vectors_of([*"abcdefgh"])
    neighbors = nearest(vectors, ["B", "unknown"], 3)
    assert list(neighbors) == ["b"]
    cosines = {
        word: float(vectors.unit()[row] @ vectors.unit()[1]) for word, row in vectors.index.items() if word != "b"
    }
    best = sorted(cosines, key=lambda word: -cosines[word])[:3]
    assert [word for word, _ in neighbors["b"]] == best
    assert [cosine for _, cosine in neighbors["b"]] == pytest.approx([cosines[word] for word in best], abs=1e-6)
    assert len(nearest(vectors, ["a"], 100)["a"]) == 7


def test_the_table_is_markdown() -> None:
    vectors = WordVectors(words=["a|b", "c"], matrix=np.array([[1, 0], [3, 4]], np.float32))
    assert neighbors_table(vectors, ["c", "a|b"]).splitlines() == [
        "| word | nearest words (cosine) |", "|---|---|", "| c | a\\|b 0.60 |", "| a\\|b | c 0.60 |"
    ]  # fmt: skip
    with pytest.raises(DatasetError, match="none of x, y is in the vocabulary of 2 words"):
        neighbors_table(vectors, ["x", "y"])
