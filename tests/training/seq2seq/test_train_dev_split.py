"""Cleaning, and splits without a held-out sentence in training."""

import random
from itertools import pairwise

import pytest

from training.seq2seq.data.cleaning import clean_held_out, clean_pairs, count_words
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.train_dev_split import connected_components, fold, split_pairs

pytestmark = pytest.mark.torch


def numbered_pairs(count: int) -> list[Pair]:
    """Pairs, many of which share a side with others."""
    generator = random.Random(count)
    return [
        Pair(f"Source {generator.randrange(count)}.", f"Target {generator.randrange(count)}!") for _ in range(count)
    ]


def swapped(pairs: list[Pair]) -> list[Pair]:
    return [Pair(pair.target, pair.source) for pair in pairs]


def kept(*pairs: tuple[str, str]) -> tuple[list[tuple[str, str]], dict[str, int]]:
    cleaned = clean_pairs((Pair(*pair) for pair in pairs), max_length=10, max_ratio=3.0, lower_case=False)
    return [(pair.source, pair.target) for pair in cleaned.pairs], dict(cleaned.left_out)


def test_cleaning() -> None:
    pairs, left_out = kept(
        ("Hi.", "Hallo\u00a0!"), ("Hi.", "Hallo !"), ("hi.", "Hallo !"), ("", "leer"), ("\u200b", "leer"),
        ("a " * 11, "b"), ("a", "b " * 6), ("a", "b b b b b"),
    )  # fmt: skip
    assert pairs == [("Hi.", "Hallo !"), ("hi.", "Hallo !"), ("a", "b b b b b")]
    assert left_out == {
        "repeated": 1, "with an empty side": 2, "longer than 10 words": 1, "with sides that differ 3 times in length": 1
    }  # fmt: skip


def test_notes_say_what_was_left_out() -> None:
    cleaned = clean_pairs([Pair("a", "b"), Pair("a", "b"), Pair("", "b")], max_length=9, max_ratio=3, lower_case=True)
    assert cleaned.notes("x") == ("x: 2 of 3 pairs left out: 1 repeated, 1 with an empty side",)
    assert clean_pairs([Pair("A", "b")], max_length=9, max_ratio=3, lower_case=False).notes("x") == ()


def test_lower_case() -> None:
    cleaned = clean_pairs([Pair("A Ü", "ẞ")], max_length=9, max_ratio=3, lower_case=True)
    assert cleaned.pairs == [Pair("a ü", "ß")]


def test_held_out_pairs_are_only_left_out_where_a_side_is_empty() -> None:
    cleaned = clean_held_out([Pair("a " * 500, "b"), Pair("c", "d"), Pair("c", "d"), Pair("c", " ")], lower_case=False)
    assert [pair.target for pair in cleaned.pairs] == ["b", "d", "d"]
    assert cleaned.notes("x") == ("x: 1 of 4 pairs left out: 1 with an empty side",)


def test_words_of_scripts_without_spaces() -> None:
    assert [count_words(text) for text in ("Hi.", "I like it.", "我喜欢音乐。", "Я люблю её")] == [1, 3, 3, 3]


def test_folding() -> None:
    assert fold("„Straße“, SAGTE er!") == "strasse sagte er"
    assert fold("?!") == "?!"


def test_components() -> None:
    pairs = [Pair("a", "x"), Pair("b", "y"), Pair("A!", "z"), Pair("c", "Y."), Pair("d", "w"), Pair("e", "z")]
    assert connected_components(pairs) == [[0, 2, 5], [1, 3], [4]]


def test_a_long_chain_is_one_component() -> None:
    pairs = [Pair(f"s{number // 2}", f"t{(number + 1) // 2}") for number in range(30_000)]
    random.Random(0).shuffle(pairs)
    assert len(connected_components(pairs)) == 1


def test_held_out_sentences_are_not_trained_on() -> None:
    splits = split_pairs(numbered_pairs(600), ("dev", "test"), held_out=40, seed=1)
    assert {split: len(pairs) for split, pairs in splits.items() if split != "train"} == {"dev": 40, "test": 40}
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        for side in (0, 1):
            assert not {fold(p[side]) for p in splits[first]} & {fold(p[side]) for p in splits[second]}


def test_held_out_sources_are_distinct() -> None:
    for pairs in (numbered_pairs(600), swapped(numbered_pairs(600))):
        sources = [pair.source for pair in split_pairs(pairs, ("dev", "test"), held_out=40, seed=1)["test"]]
        assert len(set(sources)) == 40


def test_both_directions_hold_out_the_same() -> None:
    pairs = numbered_pairs(600)
    first = split_pairs(pairs, ("dev", "test"), held_out=40, seed=1)
    second = split_pairs(swapped(pairs), ("dev", "test"), held_out=40, seed=1)
    assert first["train"] == swapped(second["train"])
    for side in (0, 1):
        trained = {fold(pair[side]) for pair in first["train"]}
        assert not trained & {fold(pair[1 - side]) for pair in second["test"] + second["dev"]}


def test_splits_depend_on_the_seed_alone() -> None:
    pairs = numbered_pairs(600)
    same = [split_pairs(pairs, ("dev", "test"), held_out=40, seed=seed) for seed in (1, 1, 2)]
    assert same[0] == same[1]
    assert same[1]["test"] != same[2]["test"]


def test_training_pairs_keep_their_order() -> None:
    pairs = [Pair(f"s{number}", f"t{number}") for number in range(200)]
    numbers = [int(pair.source[1:]) for pair in split_pairs(pairs, ("dev",), held_out=20, seed=0)["train"]]
    assert all(first < second for first, second in pairwise(numbers))
    assert len(numbers) == 180


def test_large_components_are_trained_on() -> None:
    pairs = [Pair("same", f"t{number}") for number in range(50)] + [Pair(f"s{n}", f"u{n}") for n in range(50)]
    splits = split_pairs(pairs, ("dev", "test"), held_out=20, seed=0)
    assert sum(pair.source == "same" for pair in splits["train"]) == 50
