"""Tagging schemes: reading, conversion, guessing, and allowed transitions."""

import itertools
import random

import numpy as np
import pytest

from service.tasks.token_classification.tag_schemes import (
    SchemeError,
    Span,
    allowed_transitions,
    guess_scheme,
    is_span_tag,
    spans,
    to_bioes,
    to_iob2,
)

PER, LOC = "PER", "LOC"
BIOES = ["O", *(f"{prefix}-{kind}" for kind in (LOC, PER) for prefix in "BIES")]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("I-PER I-PER O I-LOC", [(PER, 0, 2), (LOC, 3, 4)]),  # IOB1
        ("I-PER B-PER I-PER", [(PER, 0, 1), (PER, 1, 3)]),
        ("B-PER I-PER B-PER O B-LOC", [(PER, 0, 2), (PER, 2, 3), (LOC, 4, 5)]),  # IOB2
        ("B-PER I-LOC", [(PER, 0, 1), (LOC, 1, 2)]),
        ("S-PER B-LOC I-LOC E-LOC S-LOC", [(PER, 0, 1), (LOC, 1, 4), (LOC, 4, 5)]),  # BIOES
        ("U-PER B-LOC L-LOC U-LOC", [(PER, 0, 1), (LOC, 1, 3), (LOC, 3, 4)]),  # BILOU
        ("E-PER E-PER", [(PER, 0, 1), (PER, 1, 2)]),  # in no scheme
        ("O E-PER I-PER S-PER I-PER", [(PER, 1, 2), (PER, 2, 3), (PER, 3, 4), (PER, 4, 5)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 2)]),
        ("B I O", [("_", 0, 2)]),
    ],
)
def test_spans(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == [Span(*span) for span in expected]


def test_every_sequence_has_spans_that_any_scheme_can_express() -> None:
    """Spans do not overlap, cover everything but O, and survive conversion to IOB2 and BIOES."""
    alphabet = ["O", *(f"{prefix}-{kind}" for prefix in "BIESLU" for kind in (PER, LOC))]
    for tags in itertools.product(alphabet, repeat=3):
        expected = spans(tags)
        covered = [index for span in expected for index in range(span.start, span.end)]
        assert covered == [index for index, tag in enumerate(tags) if tag != "O"]
        assert spans(to_iob2(tags)) == spans(to_bioes(tags)) == expected


def test_conversion() -> None:
    iob1 = ["I-PER", "B-PER", "I-PER", "O", "I-LOC", "I-LOC", "I-LOC"]
    assert to_iob2(iob1) == ["B-PER", "B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC"]
    assert to_bioes(iob1) == ["S-PER", "B-PER", "E-PER", "O", "B-LOC", "I-LOC", "E-LOC"]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("O", True), ("B-PER", True), ("U-x", True), ("B", False), ("B-", False), ("X-PER", False), ("NOUN", False)],
)
def test_span_tags_are_recognized(tags: str, expected: bool) -> None:
    assert is_span_tag(tags) is expected


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O I-PER I-PER"], "iob1"),
        (["I-PER B-PER"], "iob1"),
        (["O O", "I-PER I-LOC"], "iob1"),
        (["O B-PER I-PER"], "iob2"),
        (["B-PER B-PER"], "iob2"),
        (["O B-PER E-PER"], "bioes"),
        (["B-PER I-PER", "O S-LOC"], "bioes"),
        (["O U-PER"], "bioes"),
        (["O O"], "iob2"),
        ([], "iob2"),
    ],
)
def test_the_scheme_is_guessed(sentences: list[str], scheme: str) -> None:
    assert guess_scheme(sentence.split() for sentence in sentences) == scheme


@pytest.mark.parametrize(
    ("sentences", "positions", "text"),
    [
        (["O B-PER", "O", "O O I-PER"], ((2, 2), (0, 1)), "I-PER after O begins a span as in IOB1, but B-PER after O"),
        (["I-PER", "S-PER"], ((0, 0), (1, 0)), "S-PER is a tag of BIOES"),
    ],
)
def test_contradicting_tags_are_named(sentences: list[str], positions: object, text: str) -> None:
    with pytest.raises(SchemeError, match=text) as caught:
        guess_scheme(sentence.split() for sentence in sentences)
    assert caught.value.positions == positions


def test_allowed_transitions_are_those_of_well_formed_sentences() -> None:
    """They allow exactly the sentences that conversion to BIOES leaves unchanged."""
    allowed = allowed_transitions(BIOES)
    assert allowed.shape == (len(BIOES) + 2, len(BIOES))
    for rows in itertools.product(range(len(BIOES)), repeat=3):
        tags = [BIOES[row] for row in rows]
        steps = [allowed[previous, current] for previous, current in itertools.pairwise(rows)]
        assert (allowed[-2, rows[0]] and allowed[-1, rows[-1]] and all(steps)) == (to_bioes(tags) == tags), tags


def test_plain_tags_may_all_follow_each_other() -> None:
    assert allowed_transitions(["NOUN", "VERB", "X"]).all()
    assert allowed_transitions(["O"]).all()


def test_labels_in_any_order() -> None:
    order = list(range(len(BIOES)))
    random.Random(0).shuffle(order)
    allowed, mixed = allowed_transitions(BIOES), allowed_transitions([BIOES[row] for row in order])
    np.testing.assert_array_equal(mixed[:-2], allowed[:-2][np.ix_(order, order)])
    np.testing.assert_array_equal(mixed[-2:], allowed[-2:, order])
