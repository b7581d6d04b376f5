"""Fragments: pairs without their final punctuation."""

import numpy as np
import pytest

from tests.support import sentence_pairs
from training.seq2seq.data.augment_fragments import FragmentAugmenter, with_fragments
from training.seq2seq.data.dataset import Pair

PAIRS = [
    Pair("The dog sees Tom.", "Der Hund sieht Tom."),
    Pair("Where does the dog sleep?", "Wo schläft der Hund?"),
    Pair("Tom and the cat sleep.", "Tom und die Katze schlafen."),
    Pair("Does Tom see where it is?", "Sieht Tom, wo sie ist?"),
]


@pytest.fixture(scope="module")
def augmenter() -> FragmentAugmenter:
    return FragmentAugmenter(PAIRS)


@pytest.mark.parametrize(
    ("pair", "fragment"),
    [
        # Words that are in lower case within sentences get it; names, nouns and unknown words do not.
        (("The dog.", "Der Hund."), ("the dog", "der Hund")),
        (("Where?", "Wo?"), ("where", "wo")),
        (("Tom sleeps!", "Tom schläft!"), ("Tom sleeps", "Tom schläft")),
        (("The…", "Katze ..."), ("the", "Katze")),
        (("The, the dog?!", "Der, der Hund!!"), ("the, the dog", "der, der Hund")),
        (("Sleep.", "Xyz."), ("sleep", "Xyz")),
        # No final punctuation, punctuation inside, nothing else.
        (("The dog", "Der Hund."), None),
        (("The dog.", "Der Hund"), None),
        (("The dog. The cat.", "Der Hund. Die Katze."), None),
        (("“The dog.”", "„Der Hund.“"), None),
        (('"The dog" sleeps.', "Der Hund schläft."), None),
        (("...", "Hund."), None),
    ],
)
def test_a_fragment(augmenter: FragmentAugmenter, pair: tuple[str, str], fragment: tuple[str, str] | None) -> None:
    assert augmenter.fragment(Pair(*pair), keep_case=False) == fragment


def test_first_letters_keep_their_case_on_request(augmenter: FragmentAugmenter) -> None:
    assert augmenter.fragment(Pair("The dog.", "Der Hund."), keep_case=True) == ("The dog", "Der Hund")


def test_the_share_is_sampled_reproducibly(augmenter: FragmentAugmenter) -> None:
    pairs = PAIRS * 500 + [Pair("no mark", "kein Zeichen")] * 100
    sampled = augmenter.sample(pairs, 0.2, np.random.default_rng(1))
    assert 340 < len(sampled) < 460
    assert max(sampled) < 2_000
    assert all(not pair.source.endswith((".", "?")) for pair in sampled.values())
    assert {sampled[index] for index in sampled if index % 4 == 0} == {
        Pair("the dog sees Tom", "der Hund sieht Tom"), Pair("The dog sees Tom", "Der Hund sieht Tom")
    }  # fmt: skip
    assert sampled == augmenter.sample(pairs, 0.2, np.random.default_rng(1))


def test_a_split_of_fragments() -> None:
    data = sentence_pairs.data(100)
    for pairs in data.splits.values():
        pairs[:] = [Pair(f"{source}.", f"{target}!") for source, target in pairs]
    extended = with_fragments(data, "dev-fragments")
    assert len(extended.splits["dev-fragments"]) == len(data.splits["dev"])
    assert not any(mark in text for pair in extended.splits["dev-fragments"] for text in pair for mark in ".!")
    assert extended.splits["dev"] == data.splits["dev"]
    for name in ("dev", "other-fragments", "-fragments"):
        assert with_fragments(data, name) is data
