"""Word alignment, the phrases that it finds, and placeholders for words to copy."""

from collections import Counter

import numpy as np
import pytest

from service.tasks.translation.subwords import PLACEHOLDER
from service.tasks.translation.text import Truecaser
from training.seq2seq.data import word_alignment as alignment
from training.seq2seq.data.augment_placeholders import PlaceholderAugmenter
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import PhraseSampler, extract_phrases
from training.seq2seq.data.truecasing import learn_truecaser, lowercase_words
from training.seq2seq.data.word_alignment import align

ENGLISH_GERMAN = [
    Pair("The dog sleeps.", "Der Hund schläft."),
    Pair("The cat sleeps.", "Die Katze schläft."),
    Pair("A dog sees the cat.", "Ein Hund sieht die Katze."),
    Pair("I see the dog in Boston.", "Ich sehe den Hund in Boston."),
    Pair("The cat sees the dog.", "Die Katze sieht den Hund."),
    Pair("The cat is not in Boston.", "Die Katze ist nicht in Boston."),
    Pair("Tom sleeps in Boston.", "Tom schläft in Boston."),
    Pair("Tom sees the cat.", "Tom sieht die Katze."),
] * 3


class TestAlign:
    def test_words_are_linked_to_their_translations_though_neighbors_swap(self) -> None:
        generator, pairs = np.random.default_rng(0), []
        for _ in range(300):
            source = generator.permutation(list("abcdefghijklmnop"))[: generator.integers(2, 8)].tolist()
            target = [word.upper() for word in source]
            first = int(generator.integers(len(source) - 1))
            target[first : first + 2] = target[first + 1], target[first]
            pairs.append((source, target))
        for (source, target), links in zip(pairs, align(pairs), strict=True):
            assert len(links) == len(source)
            assert all(source[left].upper() == target[right] for left, right in links)

    def test_links_are_one_to_one_and_in_order(self) -> None:
        for links in align([(pair.source.split(), pair.target.split()) for pair in ENGLISH_GERMAN]):
            assert links == sorted(links)
            assert len({left for left, _ in links}) == len({right for _, right in links}) == len(links)

    def test_a_word_that_is_not_translated_has_no_link(self) -> None:
        pairs = [([word, "please"], [word.upper()]) for word in "abcdefgh" for _ in range(4)]
        assert all(links == [(0, 0)] for links in align(pairs))

    @pytest.mark.parametrize("pairs", [[], [([], [])], [(["a"], [])]])
    def test_nothing_to_link(self, pairs: list[tuple[list[str], list[str]]]) -> None:
        assert align(pairs) == [[] for _ in pairs]

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alignment, "_MAX_LINKS", 10)
        links = align([(["a", "b"], ["x", "y"]), (["a"], ["x"]), (["b"], ["y"]), (["a", "b"], ["x", "y"])] * 2)
        assert [bool(targets) for targets in links] == [True, True, True, True, False, False, False, False]


def test_lowercase_words() -> None:
    lowercase = lowercase_words(pair.source for pair in ENGLISH_GERMAN)
    assert {"dog", "the", "in"} <= lowercase
    assert not {"boston", "tom"} & lowercase


def test_the_learned_truecaser() -> None:
    truecaser = learn_truecaser([pair.source for pair in ENGLISH_GERMAN] * 2)
    assert truecaser.lowercase_words >= {"dog", "cat", "the", "sleeps"}
    assert not truecaser.lowercase_words & {"boston", "tom", "i"}
    assert truecaser.sentence_starters == {"the"}  # 24 sentences do
    assert learn_truecaser([]) == Truecaser()


def test_phrases_are_words_and_runs_of_words_with_their_translations() -> None:
    phrases = extract_phrases(ENGLISH_GERMAN)
    assert {("dog", "Hund"), ("cat", "Katze"), ("the cat", "die Katze"), ("in Boston", "in Boston")} <= set(phrases)
    assert ("sees", "sieht") in phrases
    # As within sentences, and without their marks.
    assert all(not phrase.source.startswith("The") for phrase in phrases)
    assert not any(char in text for phrase in phrases for text in phrase for char in ".,!?")
    assert all(len(text.split()) <= 4 for phrase in phrases for text in phrase)
    assert all(count >= 2 for count in phrases.values())
    assert extract_phrases(ENGLISH_GERMAN) == phrases


def test_no_pairs_have_no_phrases() -> None:
    assert extract_phrases([]) == {}
    assert extract_phrases([Pair("!", "?"), Pair("a", "")]) == {}
    assert PhraseSampler({}).sample(5, np.random.default_rng(0)) == []


COUNTS = {
    Pair("dog", "Hund"): 90,
    Pair("the", "der"): 600,
    Pair("the", "die"): 300,
    Pair("rare", "selten"): 10,
    Pair("the dog", "der Hund"): 5,
}


class TestPhraseSampler:
    def test_half_are_single_words_and_rare_ones_come_more_often_than_in_sentences(self) -> None:
        phrases = PhraseSampler(COUNTS).sample(4_000, np.random.default_rng(0))
        counts = Counter(phrase.source.lower() for phrase in phrases)
        assert 1_800 < counts["the dog"] < 2_200
        assert counts["rare"] > 0.02 * counts.total()
        the = Counter(phrase.target.lower() for phrase in phrases if phrase.source.lower() == "the")
        assert 1.6 < the["der"] / the["die"] < 2.5

    def test_some_have_a_capital_on_both_sides(self) -> None:
        phrases = PhraseSampler(COUNTS).sample(1_000, np.random.default_rng(0))
        capitalized = [phrase for phrase in phrases if phrase.source[0].isupper()]
        assert 400 < len(capitalized) < 600
        assert all(phrase.target[0].isupper() for phrase in capitalized)
        assert Pair("the", "der") in phrases

    def test_one_kind_alone(self) -> None:
        sampled = PhraseSampler({Pair("the dog", "der Hund"): 2}).sample(9, np.random.default_rng(0))
        assert {phrase.source.lower() for phrase in sampled} == {"the dog"}
        assert len(sampled) == 9


@pytest.fixture(scope="module")
def augmenter() -> PlaceholderAugmenter:
    counts = {Pair("dog", "Hund"): 9, Pair("run", "läuft"): 4, Pair("run", "laufen"): 4, Pair("cat", "Katze"): 3}
    return PlaceholderAugmenter(ENGLISH_GERMAN, counts)


class TestPlaceholders:
    @staticmethod
    def every(augmenter: PlaceholderAugmenter, pair: Pair) -> set[Pair | None]:
        generator = np.random.default_rng(0)
        return {augmenter.replace_words(pair, generator) for _ in range(60)}

    @pytest.mark.parametrize(
        ("pair", "results"),
        [
            # A name, a number, a word and its translation, at the beginning too.
            (("Ask Tom.", "Frag Tom."), {("Ask *.", "Frag *.")}),
            (("At 2:30, in 1,000 days.", "Um 2:30 Uhr."), {("At *, in 1,000 days.", "Um * Uhr.")}),
            (("The dog, here.", "Hier, der Hund."), {("The *, here.", "Hier, der *.")}),
            (("Dog!", "Hund!"), {("*!", "*!")}),
            # Translated in more ways than one; in one side only; twice; spelt the same and no name.
            (("They run.", "Sie laufen."), {None}),
            (("Ask Tom.", "Frag ihn."), {None}),
            (("Tom likes Tom.", "Tom mag Tom."), {None}),
            (("In it.", "In ihm."), {None}),
            (("I in the house.", "I im Haus."), {None}),
            # Several.
            (
                ("Tom and the dog.", "Der Hund und Tom."),
                {
                    ("* and the dog.", "Der Hund und *."),
                    ("Tom and the *.", "Der * und Tom."),
                    ("* and the *.", "Der * und *."),
                },
            ),
        ],
    )
    def test_placeholders(
        self, augmenter: PlaceholderAugmenter, pair: tuple[str, str], results: set[tuple[str, str] | None]
    ) -> None:
        expected = {phrase and Pair(*(text.replace("*", PLACEHOLDER) for text in phrase)) for phrase in results}
        assert self.every(augmenter, Pair(*pair)) == expected

    def test_the_share_is_sampled_reproducibly(self, augmenter: PlaceholderAugmenter) -> None:
        pairs = [Pair("Ask Tom.", "Frag Tom."), Pair("None.", "Keiner.")] * 500
        phrases = augmenter.sample(pairs, 0.2, np.random.default_rng(1))
        assert 70 < len(phrases) < 130
        assert all(index % 2 == 0 and pair.target == f"Frag {PLACEHOLDER}." for index, pair in phrases.items())
        assert phrases == augmenter.sample(pairs, 0.2, np.random.default_rng(1))

    def test_frequent_words_are_replaced_less_often(self) -> None:
        augmenter = PlaceholderAugmenter([Pair("Ask Tom.", "Frag Tom.")] * 10_000, {})
        phrases = augmenter.sample([Pair("Ask Tom.", "Frag Tom.")] * 2_000, 1, np.random.default_rng(1))
        assert 120 < len(phrases) < 280
