"""Filling placeholders: protected texts are put at their UNKNOWN in the translation, and none is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.decoding import Hypothesis
from service.tasks.translation.subwords import SPACE_SYMBOL, TYPED_PLACEHOLDERS, UNKNOWN, Subwords, add_pieces
from service.tasks.translation.text import RareWords, SegmentedText, segment
from tests.support.translator_bundles import pieces_model

MAX_TOKENS = 40


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def test_the_placeholder_survives_encoding_and_decoding(subwords: Subwords) -> None:
    for text in ("Ask \ufffc.", "\ufffc sleeps", "(\ufffc) and\ufffc \ufffc"):
        ids = subwords.encode(text)
        assert ids.count(UNKNOWN) == text.count("\ufffc")
        assert subwords.decode(ids) == text
    assert subwords.model == pieces_model()


def segmented(subwords: Subwords, text: str, *, is_html: bool = False) -> SegmentedText:
    return segment(
        text, subwords, "en", MAX_TOKENS, inline_tags=True, rare_words=RareWords("en", "de"), is_html=is_html
    )


def restored(
    subwords: Subwords,
    text: str,
    target: str,
    attended: Sequence[int] | None = None,
    *,
    is_html: bool = False,
) -> str:
    """The restored text of a translation (`?` for UNKNOWN), each token of which attended to one source token."""
    result = segmented(subwords, text, is_html=is_html)
    (ids,) = result.segments
    tokens = subwords.encode(target.replace("?", "\ufffc"))
    attention: NDArray[np.float32] | None = None
    if attended is not None:
        attention = np.zeros((len(tokens) + 1, len(ids) + 1), np.float32)
        attention[range(len(tokens) + 1), [*attended, len(ids)]] = 1
    return result.join([result.restore(0, Hypothesis(tuple(tokens), -1.0, attention), subwords, subwords)])


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("The 李 sleeps.", "Der ? schläft.", "Der 李 schläft."),
        ("李 sleeps 😀", "? schläft", "李 schläft 😀"),
        ("The (李)", "Der (?)", "Der (李)"),
        ("The 李 王, 周 and the big Łukasz", "Der ?, ? und der ?", "Der 李 王, 周 und der Łukasz"),
        # One too many is left out, with its space.
        ("The 李 sleeps", "Der ? ? schläft ?", "Der 李 schläft"),
        ("The dog", "? Der ? Hund ?.", "Der Hund."),
        ("The dog", "?", ""),
        ("The dog", "ab?ab ?ab", "Abab ab"),
        # One too few is put in at the end, before the marks there.
        ("The 李 sleeps.", "Der schläft.", "Der schläft 李."),
        ("The 李, 王 and the 周", "Der ? (und)!", "Der 李 (und 王 周)!"),
        ("The 李", "", "李"),
        ("The 李!", "!", "李 !"),
        # In one word only where it was.
        ("The dog and 李", "Der Hund?", "Der Hund 李"),
        ("The dog😀 and I", "Der Hund? und", "Der Hund😀 und"),
        ("The 李 and 王", "Der ??", "Der 李 王"),
        # Neither written in capitals nor escaped, nor a reason to capitalize.
        ("THE ¿æ SLEEPS", "Der ? schläft", "DER ¿æ SCHLÄFT"),
        ("Ælla sleeps", "? schläft", "Ælla schläft"),
        ("The æ", "ab ?", "Ab æ"),
    ],
)
def test_without_attention_placeholders_are_matched_in_order(
    subwords: Subwords, text: str, target: str, expected: str
) -> None:
    assert restored(subwords, text, target) == expected


@pytest.mark.parametrize(
    ("text", "target", "attended", "expected"),
    [
        # ▁The ▁ ? ▁and ▁the ▁ ?
        ("The 李 and the 王", "Der ? und ?", [0, 5, 6, 3, 1, 2], "Der 王 und 李"),
        # Both attended to one: the first has it.
        ("The 李 and the 王", "Der ? und ?", [0, 5, 6, 3, 5, 6], "Der 王 und 李"),
        ("The 李 and the 王", "Der ? und ?", [0, 0, 0, 3, 1, 2], "Der 王 und 李"),
        # One too many stands for the word that it attended to most, or for none if that is copied already.
        ("The 李 and Tom, you", "Der ? und ?, ? du", [0, 4, 5, 3, 1, 2, 7, 1, 2, 8], "Der Tom und 李, du"),
        ("The 李, (U.S.)", "Der ? ?", [0, 1, 2, 4, 6], "Der 李 (U.S.)"),
        ("Ab 李 sleeps", "Der ? ? schläft", [0, 2, 3, 1, 1, 4], "Der 李 Ab schläft"),
        ("Tom sleeps", "schläft ? ?", [3, 0, 1, 4, 4], "Schläft Tom"),
        ("TOM SLEEPS", "schläft ?", [3, 0, 1], "SCHLÄFT TOM"),
        ("Tom sleeps", "? ? schläft", [0, 0, 1, 1, 3], "Tom schläft"),
        ("The &ab-ab sleeps", "?.", [2, 3, 6], "&ab-ab."),
        # None came for it: after the word that attended to it, never within one.
        ("The 李 sleeps and", "Der schläft und", [2, 3, 4], "Der 李 schläft und"),
        ("The 李 sleeps.", "Der Hab.", [0, 2, 3, 2, 4], "Der Hab 李."),
        ("The 李 sleeps.", "schläft, und.", [2, 2, 3, 2], "Schläft 李, und."),
        ("The 李 and the 王", "Der ? und", [0, 1, 2, 6], "Der 李 und 王"),
        ("The 李 and the 王", "Der ?, und", [0, 5, 2, 1, 1], "Der 李, und 王"),
    ],
)
def test_with_attention_placeholders_are_matched_by_weight(
    subwords: Subwords, text: str, target: str, attended: Sequence[int], expected: str
) -> None:
    assert restored(subwords, text, target, attended) == expected


@pytest.mark.parametrize(
    ("text", "target", "attended", "expected"),
    [
        # ▁the ▁big ▁ ? ▁sleeps
        ("The <b>big 李</b> sleeps", "schläft der groß ?", [4, 0, 1, 2, 3], "Schläft der <b>groß 李</b>"),
        ("The <b>big 李</b> sleeps", "Der ? schläft", [0, 4, 4, 4], "Der <b>李</b> schläft"),
        ("The <b>big 李</b> sleeps", "Der schläft groß", [0, 4, 1], "Der schläft <b>groß 李</b>"),
        ("The <b>李</b> sleeps", "Der ? schläft", [0, 1, 2, 3], "Der <b>李</b> schläft"),
        ("<i>I</i> and <b>the</b> 李 and 王", "? der ich ?", [4, 5, 2, 0, 6, 7], "李 <b>der</b> <i>ich</i> 王"),
    ],
)
def test_inline_tags_around_placeholders(
    subwords: Subwords, text: str, target: str, attended: Sequence[int], expected: str
) -> None:
    assert restored(subwords, text, target, attended) == expected


@pytest.fixture(scope="module")
def typed() -> Subwords:
    return Subwords(add_pieces(pieces_model(), TYPED_PLACEHOLDERS.values()))


@pytest.mark.parametrize(
    ("target", "attended", "expected"),
    [
        # N number, D date, M name. The source: ▁The ▁dog ▁sees ▁ N ▁cat on ▁ D , ▁ M .
        ("der Hund sieht am D N Katze, M.", None, "Der Hund sieht am 5. Mai 49,99 Katze, 李."),
        ("der Hund M sieht N und D.", None, "Der Hund 李 sieht 49,99 und 5. Mai."),
        # Of another type: what is left over.
        ("der Hund sieht N N M.", None, "Der Hund sieht 49,99 5. Mai 李."),
        ("der Hund sieht ? N M.", None, "Der Hund sieht 5. Mai 49,99 李."),
        ("der Hund sieht N M.", None, "Der Hund sieht 49,99 李 5. Mai."),
    ],
)
def test_typed_placeholders_are_matched_with_their_type(
    typed: Subwords, target: str, attended: Sequence[int] | None, expected: str
) -> None:
    symbols = str.maketrans({"N": "\ufff9", "M": "\ufffa", "D": "\ufffb"})
    answer = restored(typed, "The dog sees 49.99 cat and May 5, 李.", target.translate(symbols), attended)
    assert answer == expected


def test_of_one_type_the_attention_decides(typed: Subwords) -> None:
    text = "The 12 and the 34 dog"
    (ids,) = segmented(typed, text).segments
    number = typed.encode("\ufff9")[-1]
    first, second = (position for position, id_ in enumerate(ids) if id_ == number)
    tokens = typed.encode("der \ufff9 und \ufff9")
    attended = [second if token == number and index < len(tokens) - 1 else first for index, token in enumerate(tokens)]
    assert restored(typed, text, "der \ufff9 und \ufff9", attended).split() == ["Der", "34", "und", "12"]


def test_a_typed_placeholder_in_a_text_is_a_character(typed: Subwords) -> None:
    assert restored(typed, "The \ufff9 dog", "Der ? Hund") == "Der \ufff9 Hund"


def test_html(subwords: Subwords) -> None:
    text = "The <code>a &lt; b</code> &lt; the 李&unknown; dog"
    assert restored(subwords, text, "der ? < ? Hund", is_html=True) == (
        "Der <code>a &lt; b</code> &lt; 李&unknown; Hund"
    )


def test_a_source_text_with_the_placeholder_character(subwords: Subwords) -> None:
    text = 'The \ufffc <i title="\ufffc">big 李</i> dog'
    assert restored(subwords, text, "Der ? groß ? Hund", [0, 1, 2, 3, 4, 5, 6]) == (
        'Der \ufffc <i title="\ufffc">groß 李</i> Hund'
    )


def test_no_attention_loses_a_protected_text(subwords: Subwords) -> None:
    random = np.random.default_rng(0)
    text = "<u>the 李 <b>big <i>王</i> dog</b> and</u> 😀 the <s>cat 周</s> not <i>you and Łukasz</i>"
    result = segmented(subwords, text)
    (ids,) = result.segments
    protected = [span.text for span in result.protected[0]]
    assert protected == ["李", "<i>王</i>", "😀", "周", "Łukasz"]
    space = next(id_ for id_ in range(subwords.size) if subwords.piece(id_) == SPACE_SYMBOL)
    pieces = [*subwords.encode("der große Hund und Katze, nicht du!"), *[space, UNKNOWN] * 4]
    for _ in range(300):
        tokens = random.choice(pieces, random.integers(0, 12)).tolist()
        attention = random.dirichlet(np.full(len(ids) + 1, 0.1), len(tokens) + 1).astype(np.float32)
        answers = [
            result.join([result.restore(0, Hypothesis(tuple(tokens), -1.0, weights), subwords, subwords)])
            for weights in (attention, None)
        ]
        for answer in answers:
            assert all(answer.count(part) == 1 for part in protected), answer
            assert "\ufffc" not in answer
        assert all(answers[0].count(tag) == text.count(tag) for tag in re.findall("<[^>]*>", text))
        words = [re.sub("|".join([*protected, "<[^>]*>"]), "", answer).replace(" ", "") for answer in answers]
        expected = subwords.decode([token for token in tokens if token not in (UNKNOWN, space)])
        assert words == [expected.replace(" ", "")] * 2
