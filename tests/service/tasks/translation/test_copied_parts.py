"""What is copied comes through the shipped translators with all that belongs to it: spaces, signs, quotes, brackets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.tasks.translation.test_kept import PAIRS, translator

_SPACES = ["\u00a0", "\u202f", "\u2007", "\u2009"]
_AMOUNTS = {
    "en-de": (
        "It costs 5~€.", "It costs €~5.", "It costs EUR~5.", "It weighs 5~kg.", "We see 5~km.", "It has 20~°C.",
        "We have 100~km/h.", "It is 5~%.", "It costs 1~000~€.",
    ),
    "de-en": ("Das kostet 10~000~€.", "Das sind 5~%.", "Das sind 5~km.", "Das wiegt 5~kg.", "Es sind 20~°C."),
}  # fmt: skip
"""`~` is the space."""


def answers(pair: str, texts: list[str], *, is_html: bool = False) -> list[str]:
    predictor = translator(pair)
    request = predictor.parse(predictor.routes["/v1/translate"](texts=texts, beam_size=1))
    request = request.mark_html() if is_html else request
    results: list[dict[str, Any]] = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))[
        "results"
    ]
    return [result["text"] for result in results]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("is_html", [False, True])
def test_no_break_spaces_are_spaces_and_come_back(pair: str, is_html: bool) -> None:
    ordinary = answers(pair, [text.replace("~", " ") for text in _AMOUNTS[pair]], is_html=is_html)
    for space in [*_SPACES, *(("&nbsp;", "&#160;", "&#x202f;") if is_html else ())]:
        results = answers(pair, [text.replace("~", space) for text in _AMOUNTS[pair]], is_html=is_html)
        assert [result.replace(space, " ") for result in results] == ordinary
        assert [result.count(space) for result in results] == [text.count("~") for text in _AMOUNTS[pair]]


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "It costs 1,000.50\u00a0€.", "Es kostet 1.000,50\u00a0€."),
        ("de-en", "Das sind 5,5\u202f%.", "They're 5.5\u202f%."),
        ("en-de", "He was born on May\u00a03, 1987.", "Er wurde auf 3.\u00a0Mai 1987 geboren."),
        ("en-de", "The shop opens at 5\u00a0pm.", "Der Laden öffnet 17\u00a0Uhr."),
        ("en-de", "I live in New\u00a0York.", "Ich wohne in New York."),
    ],
)
def test_no_break_spaces_in_what_is_written_anew(pair: str, text: str, answer: str) -> None:
    assert answers(pair, [text]) == [answer]


def test_no_break_spaces_as_entities() -> None:
    assert answers("en-de", ["<p>It costs 1,000.50&#160;&euro;.</p>"], is_html=True) == [
        "<p>Es kostet 1.000,50&#160;€.</p>"
    ]
