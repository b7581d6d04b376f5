"""Compound sentences: pairs joined by a conjunction."""

import numpy as np
import pytest

from training.common.errors import ConfigError
from training.seq2seq.data.augment_compounds import CONJUNCTIONS, CompoundAugmenter
from training.seq2seq.data.dataset import Pair

PAIRS = [
    Pair("The dog sees Tom.", "Der Hund sieht Tom."),
    Pair("Tom sees the dog.", "Tom sieht der Hund."),
    Pair("There they see you.", "Dort sehen sie Sie."),
    Pair("They see it there.", "Sie sehen es dort."),
    Pair("Run home.", "Lauf heim."),
    Pair("Where is the dog?", "Wo ist der Hund?"),
    Pair('"The dog" sleeps.', "Der Hund schläft."),
]


@pytest.fixture(scope="module")
def augmenter() -> CompoundAugmenter:
    return CompoundAugmenter(PAIRS, ("en", "de"))


def test_a_compound(augmenter: CompoundAugmenter) -> None:
    assert augmenter.join(PAIRS[1], PAIRS[0], 2) == Pair(
        "Tom sees the dog, but the dog sees Tom.", "Tom sieht der Hund, aber der Hund sieht Tom."
    )
    assert augmenter.join(PAIRS[0], PAIRS[1], 3) == Pair(
        "The dog sees Tom; Tom sees the dog.", "Der Hund sieht Tom; Tom sieht der Hund."
    )


def test_first_words_whose_case_is_unknown_or_differs_are_not_joined_on(augmenter: CompoundAugmenter) -> None:
    seconds = {
        pair.source.partition(joint)[2]
        for pair in augmenter.sample(PAIRS[:2] * 2_000, 1, np.random.default_rng(0)).values()
        for joint in CONJUNCTIONS["en"]
        if joint in pair.source
    }
    # "Sie" is written both ways, "Lauf" is nowhere within a sentence.
    assert seconds == {"the dog sees Tom.", "Tom sees the dog.", "there they see you."}


def test_the_share_is_sampled_reproducibly_of_declarative_sentences(augmenter: CompoundAugmenter) -> None:
    sampled = augmenter.sample(PAIRS * 500, 0.2, np.random.default_rng(1))
    assert 400 < len(sampled) < 600
    assert {index % len(PAIRS) for index in sampled} == {0, 1, 2, 3, 4}
    assert sampled == augmenter.sample(PAIRS * 500, 0.2, np.random.default_rng(1))


def test_without_clauses_nothing_is_joined() -> None:
    pairs = [Pair("dog", "Hund")]
    assert CompoundAugmenter(pairs, ("en", "de")).sample(pairs, 1, np.random.default_rng(0)) == {}


def test_a_language_without_conjunctions_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no conjunctions of ja, only of en, de, .*; leave it out"):
        CompoundAugmenter(PAIRS, ("en", "ja"))
