"""Pairs without the marks at their ends: what is made one, and how it is written."""

import numpy as np
import pytest

from tests.support import sentence_pairs as made_pairs
from training.seq2seq.data.augment_fragments import Fragments, with_fragments
from training.seq2seq.data.dataset import Pair

PAIRS = [
    Pair("The dog sees Tom.", "Der Hund sieht Tom."),
    Pair("Where does the dog sleep?", "Wo schläft der Hund?"),
    Pair("Tom and the cat sleep.", "Tom und die Katze schlafen."),
    Pair("Does Tom see where it is?", "Sieht Tom, wo sie ist?"),
]


@pytest.fixture(scope="module")
def fragments() -> Fragments:
    return Fragments(PAIRS)


@pytest.mark.parametrize(
    ("pair", "fragment"),
    [
        # What is small within sentences is small, names and nouns are not, nor what is not known.
        (("The dog.", "Der Hund."), ("the dog", "der Hund")),
        (("Where?", "Wo?"), ("where", "wo")),
        (("Tom sleeps!", "Tom schläft!"), ("Tom sleeps", "Tom schläft")),
        (("The…", "Katze ..."), ("the", "Katze")),
        (("The, the dog?!", "Der, der Hund!!"), ("the, the dog", "der, der Hund")),
        (("Sleep.", "Xyz."), ("sleep", "Xyz")),
        # No mark at an end, marks within, nothing else.
        (("The dog", "Der Hund."), None),
        (("The dog.", "Der Hund"), None),
        (("The dog. The cat.", "Der Hund. Die Katze."), None),
        (("“The dog.”", "„Der Hund.“"), None),
        (('"The dog" sleeps.', "Der Hund schläft."), None),
        (("...", "Hund."), None),
    ],
)
def test_a_fragment(fragments: Fragments, pair: tuple[str, str], fragment: tuple[str, str] | None) -> None:
    assert fragments.of(Pair(*pair), capital=False) == fragment


def test_first_letters_may_stay(fragments: Fragments) -> None:
    assert fragments.of(Pair("The dog.", "Der Hund."), capital=True) == ("The dog", "Der Hund")


def test_as_many_are_drawn_as_were_asked_for(fragments: Fragments) -> None:
    pairs = PAIRS * 500 + [Pair("no mark", "kein Zeichen")] * 100
    found = fragments.drawn(pairs, 0.2, np.random.default_rng(1))
    assert 340 < len(found) < 460
    assert max(found) < 2_000
    assert all(not pair.source.endswith((".", "?")) for pair in found.values())
    assert {found[place] for place in found if place % 4 == 0} == {
        Pair("the dog sees Tom", "der Hund sieht Tom"), Pair("The dog sees Tom", "Der Hund sieht Tom")
    }  # fmt: skip
    assert found == fragments.drawn(pairs, 0.2, np.random.default_rng(1))


def test_a_split_of_fragments() -> None:
    data = made_pairs.data(100)
    for pairs in data.splits.values():
        pairs[:] = [Pair(f"{source}.", f"{target}!") for source, target in pairs]
    found = with_fragments(data, "dev-fragments")
    assert len(found.splits["dev-fragments"]) == len(data.splits["dev"])
    assert not any(mark in text for pair in found.splits["dev-fragments"] for text in pair for mark in ".!")
    assert found.splits["dev"] == data.splits["dev"]
    for name in ("dev", "other-fragments", "-fragments"):
        assert with_fragments(data, name) is data
