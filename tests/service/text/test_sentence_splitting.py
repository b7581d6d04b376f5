"""Sentence splitting in languages other than English."""

# ruff: noqa: RUF001 - punctuation of other scripts is the point

import random
from itertools import pairwise

import pytest

from service.text import sentence_spans
from tests.support.timing import assert_scales

LANGUAGES = ("en", "de", "fr", "es", "ja")
PIECES = (
    *("Am 3. Mai ", "z. B. ", "M. ", "Nr. 5. ", "1. ", "Ja! ", "¿Qué? ", "... ", "Zoë 🙂", "e\u0301", "\ud800"),
    *("本です。", "はい！？", "「はい。」", "”", ")", "نعم؟ ", "क्या। ", " ", "\n", "\n\n", "\u3000", "\u00a0"),
)


def split(text: str, language: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, language)]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", ["Am 3. Mai kam z. B. Ludwig XIV. in Nr. 5 an.", "Ja!", "Er ging."]),
        ("fr", ["M. Dupont (vol. 3) est né av. Noël, cf. ici.", "Bien !", "Voilà."]),
        ("de", ["Die Liste:\n1.", "Erstens."]),
        ("es", ["¿Qué hora es?", "¡Son las tres!", "Vale."]),
        ("ru", ["Это книга.", "А это?", "Да!"]),
        ("fr", ["他说。A。"]),
    ],
)
def test_languages_with_latin_punctuation(language: str, expected: list[str]) -> None:
    assert split(" ".join(expected), language) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "ja",
            "これは本です。それはペンです！そう？はい。",
            ["これは本です。", "それはペンです！", "そう？", "はい。"],
        ),
        ("ja", "「はい。」と言った。 次。", ["「はい。」と言った。", "次。"]),
        ("zh", "他说：“你好。”\u3000她笑了！？真的。", ["他说：“你好。”", "她笑了！？", "真的。"]),
        ("hi", "यह किताब है। वह क्या है? अच्छा।", ["यह किताब है।", "वह क्या है?", "अच्छा।"]),
        ("ar", "هل هذا كتاب؟ نعم. شكرا!", ["هل هذا كتاب؟", "نعم.", "شكرا!"]),
        ("zh", "。。。好", ["。。。", "好"]),
        ("zh", "", []),
    ],
)
def test_languages_with_terminators_of_their_own(language: str, text: str, expected: list[str]) -> None:
    assert split(text, language) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_hold_all_of_any_text_but_white_space(language: str) -> None:
    draw = random.Random(language)
    for _ in range(1_000):
        text = "".join(draw.choice(PIECES) for _ in range(draw.randrange(12)))
        spans = sentence_spans(text, language)
        assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize("piece", ["。", "。」", "」", "。 ", "! ", "3. ", "z. B. ", "M.", "1.\n", "« ", "؟\u00a0"])
def test_time_is_linear_in_the_text(piece: str, language: str) -> None:
    """Eight times the text, at most twenty-four times as long (a square law would take 64)."""

    def split(size: int) -> None:
        sentence_spans(piece * (size // len(piece)), language)

    assert_scales(split, 2_000, 16_000, factor=24, floor=0.12)
