"""Filters of noisy pairs: sides in another language, and sides that do not translate each other."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.sentence_pairs import pairs
from training.seq2seq.config import DataConfig
from training.seq2seq.data.cleaning import Cleaned, clean_pairs
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.filters import filter_pairs
from training.seq2seq.data.sources import load_data
from training.seq2seq.data.word_alignment import alignment_scores

pytestmark = pytest.mark.torch

RIGHT = [Pair(source, target) for source, target in pairs(400, seed=1, longest=8) if source.count(" ") > 4]


def filtered(noisy: list[Pair], **settings: float) -> Cleaned:
    cleaned = clean_pairs(noisy, max_length=60, max_ratio=3, lower_case=False)
    return filter_pairs(cleaned, **{"check_languages": False, "min_alignment": 0.0, **settings})  # type: ignore[arg-type]


def test_nothing_is_left_out_unasked() -> None:
    assert filtered([*RIGHT, Pair("the dog sees the big bird", "the dog sees the big bird")]).left_out.total() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Pair("the small dog likes the old cat", "the small dog likes the old cat"),
        Pair("klein hund mag alt katze groß haus", "house big cat old likes dog small"),
        Pair("le petit chien aime une vieille chatte", "katze alt das mag hund klein das"),
        Pair("the small dog likes the old cat", "старая кошка нравится маленькой собаке"),
    ],
    ids=["a copy", "swapped", "a third language", "another script"],
)
def test_a_side_in_another_language(wrong: Pair) -> None:
    kept = filtered([*RIGHT, wrong], check_languages=True)
    assert kept.pairs == RIGHT
    assert kept.left_out == {"with a side in another language": 1}


def test_short_sides_are_in_any_language() -> None:
    assert Pair("Berlin", "Berlin") in filtered([*RIGHT, Pair("Berlin", "Berlin")], check_languages=True).pairs


def test_both_directions_keep_the_same_pairs() -> None:
    noisy = [*RIGHT, Pair("the small dog likes the old cat", "the small dog likes the old cat")]
    settings = {"check_languages": True, "min_alignment": 0.5}
    there, back = filtered(noisy, **settings), filtered([Pair(two, one) for one, two in noisy], **settings)
    assert there.pairs == [Pair(two, one) for one, two in back.pairs]
    assert there.left_out == back.left_out


def test_misaligned_pairs() -> None:
    vocabulary = [f"word{number}" for number in range(300)]
    generator = random.Random(3)
    sentences = [generator.sample(vocabulary, 8) for _ in range(600)]
    right = [Pair(" ".join(words), " ".join(f"x{word}" for word in words)) for words in sentences]
    shifted = [Pair(one.source, other.target) for one, other in pairwise(right[:21])]
    kept = filtered([*right[20:], *shifted], min_alignment=0.2)
    assert set(right[20:]) <= set(kept.pairs)
    assert kept.left_out["with an alignment score below 0.2"] >= 18


def test_a_large_corpus_is_aligned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [(pair.source.split(), pair.target.split()) for pair in RIGHT]
    monkeypatch.setattr("training.seq2seq.data.word_alignment._MAX_LINKS", 4_000)
    scores = alignment_scores(corpus)
    assert len(scores) == len(corpus)
    assert min(sum(scores[start : start + 20]) for start in range(0, len(scores) - 20, 20)) > 0
    assert alignment_scores([]) == []


def test_what_is_left_out_is_in_the_notes(tmp_path: Path) -> None:
    path = tmp_path / "noisy.tsv"
    copies = [
        Pair(f"the old tree likes the {word} house", f"the old tree likes the {word} house")
        for word in ("big", "small")
    ]
    path.write_text("".join(f"{source}\t{target}\n" for source, target in [*RIGHT, *copies]), encoding="utf-8")
    settings = DataConfig(train=str(path), source="en", target="de", check_languages=True)
    total = len(RIGHT) + 2
    assert load_data(settings).notes[0] == (
        f"noisy.tsv: 2 of {total} pairs left out: 2 with a side in another language"
    )
