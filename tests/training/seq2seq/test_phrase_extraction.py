"""Word alignment, the phrases that it finds, and stand-ins for what is copied."""

from collections import Counter

import numpy as np
import pytest

from service.tasks.translation.subwords import PLACEHOLDER
from service.tasks.translation.text import Truecaser
from training.seq2seq.data import word_alignment as alignment
from training.seq2seq.data.augment_placeholders import Copies
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import Phrases, find_phrases
from training.seq2seq.data.truecasing import capitals_of, small_words
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
    def test_words_are_linked_to_their_translations_though_neighbours_change_places(self) -> None:
        draw, pairs = np.random.default_rng(0), []
        for _ in range(300):
            source = draw.permutation(list("abcdefghijklmnop"))[: draw.integers(2, 8)].tolist()
            target = [word.upper() for word in source]
            place = int(draw.integers(len(source) - 1))
            target[place : place + 2] = target[place + 1], target[place]
            pairs.append((source, target))
        for (source, target), found in zip(pairs, align(pairs), strict=True):
            assert len(found) == len(source)
            assert all(source[here].upper() == target[there] for here, there in found)

    def test_links_are_one_to_one_and_in_order(self) -> None:
        for found in align([(pair.source.split(), pair.target.split()) for pair in ENGLISH_GERMAN]):
            assert found == sorted(found)
            assert len({here for here, _ in found}) == len({there for _, there in found}) == len(found)

    def test_a_word_that_is_not_translated_has_no_link(self) -> None:
        pairs = [([word, "please"], [word.upper()]) for word in "abcdefgh" for _ in range(4)]
        assert all(found == [(0, 0)] for found in align(pairs))

    @pytest.mark.parametrize("pairs", [[], [([], [])], [(["a"], [])]])
    def test_nothing_to_link(self, pairs: list[tuple[list[str], list[str]]]) -> None:
        assert align(pairs) == [[] for _ in pairs]

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alignment, "_MOST_LINKS", 10)
        links = align([(["a", "b"], ["x", "y"]), (["a"], ["x"]), (["b"], ["y"]), (["a", "b"], ["x", "y"])] * 2)
        assert [bool(found) for found in links] == [True, True, True, True, False, False, False, False]


def test_small_words() -> None:
    small = small_words(pair.source for pair in ENGLISH_GERMAN)
    assert {"dog", "the", "in"} <= small
    assert not {"boston", "tom"} & small


def test_what_the_server_is_to_know_of_capitals() -> None:
    found = capitals_of([pair.source for pair in ENGLISH_GERMAN] * 2)
    assert found.lowercase_words >= {"dog", "cat", "the", "sleeps"}
    assert not found.lowercase_words & {"boston", "tom", "i"}
    assert found.sentence_starters == {"the"}  # 24 sentences do
    assert capitals_of([]) == Truecaser()


def test_phrases_are_words_and_runs_of_words_with_their_translations() -> None:
    found = find_phrases(ENGLISH_GERMAN)
    assert {("dog", "Hund"), ("cat", "Katze"), ("the cat", "die Katze"), ("in Boston", "in Boston")} <= set(found)
    assert ("sees", "sieht") in found
    # As within sentences, and without their marks.
    assert all(not phrase.source.startswith("The") for phrase in found)
    assert not any(char in text for phrase in found for text in phrase for char in ".,!?")
    assert all(len(text.split()) <= 4 for phrase in found for text in phrase)
    assert all(count >= 2 for count in found.values())
    assert find_phrases(ENGLISH_GERMAN) == found


def test_no_pairs_have_no_phrases() -> None:
    assert find_phrases([]) == {}
    assert find_phrases([Pair("!", "?"), Pair("a", "")]) == {}
    assert Phrases({}).drawn(5, np.random.default_rng(0)) == []


COUNTS = {
    Pair("dog", "Hund"): 90,
    Pair("the", "der"): 600,
    Pair("the", "die"): 300,
    Pair("rare", "selten"): 10,
    Pair("the dog", "der Hund"): 5,
}


class TestDrawing:
    def test_half_are_single_words_and_rare_ones_come_more_often_than_in_sentences(self) -> None:
        found = Phrases(COUNTS).drawn(4_000, np.random.default_rng(0))
        counts = Counter(one.source.lower() for one in found)
        assert 1_800 < counts["the dog"] < 2_200
        assert counts["rare"] > 0.02 * counts.total()
        the = Counter(one.target.lower() for one in found if one.source.lower() == "the")
        assert 1.6 < the["der"] / the["die"] < 2.5

    def test_some_have_a_capital_on_both_sides(self) -> None:
        found = Phrases(COUNTS).drawn(1_000, np.random.default_rng(0))
        capital = [one for one in found if one.source[0].isupper()]
        assert 400 < len(capital) < 600
        assert all(one.target[0].isupper() for one in capital)
        assert Pair("the", "der") in found

    def test_one_kind_alone(self) -> None:
        drawn = Phrases({Pair("the dog", "der Hund"): 2}).drawn(9, np.random.default_rng(0))
        assert {one.source.lower() for one in drawn} == {"the dog"}
        assert len(drawn) == 9


@pytest.fixture(scope="module")
def copies() -> Copies:
    counts = {Pair("dog", "Hund"): 9, Pair("run", "läuft"): 4, Pair("run", "laufen"): 4, Pair("cat", "Katze"): 3}
    return Copies(ENGLISH_GERMAN, counts)


class TestCopies:
    @staticmethod
    def every(copies: Copies, pair: Pair) -> set[Pair | None]:
        draw = np.random.default_rng(0)
        return {copies.of(pair, draw) for _ in range(60)}

    @pytest.mark.parametrize(
        ("pair", "found"),
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
    def test_stand_ins(self, copies: Copies, pair: tuple[str, str], found: set[tuple[str, str] | None]) -> None:
        wanted = {one and Pair(*(text.replace("*", PLACEHOLDER) for text in one)) for one in found}
        assert self.every(copies, Pair(*pair)) == wanted

    def test_about_so_many_are_drawn_the_same_again(self, copies: Copies) -> None:
        pairs = [Pair("Ask Tom.", "Frag Tom."), Pair("None.", "Keiner.")] * 500
        found = copies.drawn(pairs, 0.2, np.random.default_rng(1))
        assert 70 < len(found) < 130
        assert all(place % 2 == 0 and pair.target == f"Frag {PLACEHOLDER}." for place, pair in found.items())
        assert found == copies.drawn(pairs, 0.2, np.random.default_rng(1))

    def test_frequent_words_are_taken_less_often(self) -> None:
        copies = Copies([Pair("Ask Tom.", "Frag Tom.")] * 10_000, {})
        found = copies.drawn([Pair("Ask Tom.", "Frag Tom.")] * 2_000, 1, np.random.default_rng(1))
        assert 120 < len(found) < 280
