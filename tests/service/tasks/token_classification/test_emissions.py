"""The table of words' features: what is kept, what is computed, and that it stays within its bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.runtime.providers import ProviderReport
from service.runtime.session import Tensors
from service.tasks.token_classification.emissions import FeatureTable
from service.tasks.token_classification.features import CASING, CHARACTERS, FEATURES, WordFeatures

WORDS = WordFeatures([], [chr(code) for code in range(33, 300)], 8)


class Graph4:
    """A graph of words with 4 features; it records how many words each run had."""

    graph = Graph(
        file="words.onnx",
        inputs=(),
        outputs=(TensorSpec(name=FEATURES, datatype=Datatype.UINT8, shape=(-1, 4)),),
    )
    report = ProviderReport(requested=("cpu",), actual=("CPUExecutionProvider",))

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.fails = False

    def run(self, feeds: Tensors) -> Tensors:
        if self.fails:
            raise RuntimeError("no")
        characters = feeds[CHARACTERS]
        self.runs.append(len(characters))
        columns = [characters[:, 0], characters.sum(1), (characters > 0).sum(1), feeds[CASING]]
        return {FEATURES: np.stack(columns, axis=1).astype(np.uint8)}

    def bind_constants(self, constants: Tensors) -> None:
        raise NotImplementedError


def features(table: FeatureTable, sentences: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    return table.features(sentences, np.array([len(sentence) for sentence in sentences], np.int32))


def fresh(sentences: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    """The features by an empty table."""
    return features(FeatureTable(Graph4(), WORDS), sentences)


def test_features_are_those_of_each_word_and_0_beyond_the_length() -> None:
    graph = Graph4()
    rows = features(FeatureTable(graph, WORDS), [["a", "bb"], ["Ccc"], ["a", "a", "a"]])
    assert rows.shape == (3, 3, 4)
    assert rows[..., 2].tolist() == [[1, 2, 0], [3, 0, 0], [1, 1, 1]]
    np.testing.assert_array_equal(rows[0, 0], rows[2, 2])
    assert graph.runs == [3]  # each distinct word once


def test_only_new_words_are_computed() -> None:
    graph = Graph4()
    table = FeatureTable(graph, WORDS)
    features(table, [["a", "bb"]])
    again = features(table, [["bb", "a"]])
    features(table, [["a", "new"]])
    assert graph.runs == [2, 1]
    np.testing.assert_array_equal(again, fresh([["bb", "a"]]))


def test_the_table_stays_within_its_bytes_and_answers_the_same() -> None:
    graph = Graph4()
    table = FeatureTable(graph, WORDS, max_bytes=4 * 50)
    random = np.random.default_rng(0)
    for _ in range(40):
        sentence = [f"w{number}" for number in random.integers(0, 200, 12)]
        np.testing.assert_array_equal(features(table, [sentence]), fresh([sentence]))
        assert len(table) < 50


def test_more_words_than_fit_are_answered_at_once() -> None:
    table = FeatureTable(Graph4(), WORDS, max_bytes=4 * 10)
    many = [f"w{number}" for number in range(2000)]
    np.testing.assert_array_equal(features(table, [many]), fresh([many]))
    np.testing.assert_array_equal(features(table, [["a", "w1"]]), fresh([["a", "w1"]]))
    assert len(table) == 2


def test_very_long_words_are_not_kept() -> None:
    graph = Graph4()
    table = FeatureTable(graph, WORDS)
    long = "x" * 65
    rows = features(table, [["a", long, "b"]])
    np.testing.assert_array_equal(rows, fresh([["a", long, "b"]]))
    assert len(table) == 2
    np.testing.assert_array_equal(features(table, [["c", "b", long]]), fresh([["c", "b", long]]))
    assert graph.runs == [3, 2]


def test_a_failed_run_leaves_no_word_behind() -> None:
    graph = Graph4()
    table = FeatureTable(graph, WORDS)
    graph.fails = True
    with pytest.raises(RuntimeError):
        features(table, [["a"]])
    graph.fails = False
    np.testing.assert_array_equal(features(table, [["a"]]), fresh([["a"]]))
