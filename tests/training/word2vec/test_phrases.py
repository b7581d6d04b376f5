"""Phrase detection compared to the formula, computed pair by pair."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from training.word2vec.data import phrases
from training.word2vec.data.corpus import CorpusSettings, open_corpus
from training.word2vec.data.phrases import join_phrases

pytestmark = pytest.mark.torch

WORDS = ["the", "new", "york", "times", "of"]


def joined(ids: list[int], folder: Path, threshold: float, discount: float) -> tuple[list[str], list[str], list[int]]:
    """The new text as words, the vocabulary, and its counts."""
    (folder / "in").write_bytes(np.array(ids, np.int32).tobytes())
    counts = np.bincount([token for token in ids if token >= 0], minlength=len(WORDS))
    words, new_counts = join_phrases(
        folder / "in", folder / "out", WORDS, counts, threshold=threshold, discount=discount
    )
    text = np.fromfile(folder / "out", np.int32)
    return [words[token] if token >= 0 else str(token) for token in text], words, new_counts.tolist()


@pytest.mark.parametrize("discount", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("threshold", [0.5, 1.2, 2.0])
def test_phrases_are_selected_by_the_formula(tmp_path: Path, threshold: float, discount: float) -> None:
    random = np.random.default_rng(1)
    ids = random.choice(5, 400, p=[0.4, 0.2, 0.2, 0.1, 0.1]).tolist()
    counts, pair_counts = Counter(ids), Counter(pairwise(ids))
    expected = {
        f"{WORDS[a]}_{WORDS[b]}"
        for (a, b), count in pair_counts.items()
        if (count - discount) * len(ids) / (counts[a] * counts[b]) > threshold
    }
    _, words, new_counts = joined(ids, tmp_path, threshold, discount)
    assert set(words) - set(WORDS) == expected
    assert sum(new_counts) + sum(new_counts[len(WORDS) :]) == len(ids)


def test_of_overlapping_pairs_the_first_is_joined(tmp_path: Path) -> None:
    text, _, counts = joined([1, 2, 3, -1, 0, 1, 2, 0], tmp_path, threshold=1.0, discount=0.0)
    assert text == ["new_york", "times", "-1", "the_new", "york_the"]
    assert sum(counts) == 4


def test_nothing_is_joined_across_ends_and_rare_words(tmp_path: Path) -> None:
    text, words, _ = joined([1, -1, 2, -2, 3], tmp_path, threshold=0.0, discount=0.0)
    assert text == ["new", "-1", "york", "-2", "times"]
    assert words == WORDS


def test_at_most_one_phrase_is_lost_at_a_block_border(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "_BLOCK", 3)
    text, _, _ = joined([1, 2, 0, 1, 2, 0, 0, 1, 2], tmp_path, threshold=1.4, discount=0.0)
    assert text == ["new_york", "the", "new_york", "the", "the", "new_york"]


def test_pair_counts_of_many_blocks_are_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(2).integers(0, 5, 1_003).astype(np.int32)
    (tmp_path / "in").write_bytes(ids.tobytes())
    size = 17
    monkeypatch.setattr(phrases, "_BLOCK", size)
    expected = Counter(
        int(a) * 5 + int(b) for start in range(0, len(ids), size) for a, b in pairwise(ids[start : start + size])
    )
    pairs, counts = phrases._count_pairs(tmp_path / "in", 5)
    assert dict(zip(pairs.tolist(), counts.tolist(), strict=True)) == expected
    assert pairs.tolist() == sorted(expected)


def test_a_second_pass_joins_both_spellings_of_a_longer_phrase(tmp_path: Path) -> None:
    """`new_york` + `times` and `new` + `york_times` are the same phrase."""
    lines = ["he reads the new york times today", "they sell york times and the new things", "a b c d e f g h i j k"]
    (tmp_path / "text.txt").write_text("\n".join(lines * 30))
    settings = CorpusSettings(min_count=2, phrases=2, phrase_threshold=5.0, phrase_discount=1.0)
    corpus = open_corpus(str(tmp_path / "text.txt"), settings, tmp_path / "corpus")
    assert len(set(corpus.words)) == len(corpus.words)
    assert any(word.count("_") >= 2 for word in corpus.words)
    assert corpus.total == len(corpus.ids) - int((corpus.ids < 0).sum())
