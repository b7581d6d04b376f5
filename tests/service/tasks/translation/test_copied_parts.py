"""What is copied comes through the shipped translators with all that belongs to it: spaces, signs, quotes, brackets."""

from __future__ import annotations

import re
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


def answers(pair: str, texts: list[str], *, is_html: bool = False, beam_size: int | None = 1) -> list[str]:
    predictor = translator(pair)
    request = predictor.parse(predictor.routes["/v1/translate"](texts=texts, beam_size=beam_size))
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
        ("en-de", "He was born on May\u00a03, 1987.", "Er wurde am 3.\u00a0Mai 1987 geboren."),
        ("en-de", "The shop opens at 5\u00a0pm.", "Das Geschäft öffnet um 17\u00a0Uhr."),
        ("en-de", "I live in New\u00a0York.", "Ich wohne in New York."),
    ],
)
def test_no_break_spaces_in_what_is_written_anew(pair: str, text: str, answer: str) -> None:
    assert answers(pair, [text]) == [answer]


def test_no_break_spaces_as_entities() -> None:
    assert answers("en-de", ["<p>It costs 1,000.50&#160;&euro;.</p>"], is_html=True) == [
        "<p>Es kostet 1.000,50&#160;€.</p>"
    ]


_UNITS = {
    "en": ("You have {} here.", "The dog sleeps with {}"),
    "de": ("Sie haben {} hier.", "Der Hund schläft mit {}"),
}
_ATTACHED = (
    *("{percent}%", "%s%", "%d%", "{0}%", "{price}€", "€{price}", "${0}", "{0}°C", "{0}°"),
    *("{h}:{m}", "{0}/{1}", "{0}-{1}", "%s/%s", "%s-%s", "%1$s:%2$s", "{{a}}/{{b}}", "{w}x{h}", "{a}={b}", "{0}.{1}"),
    *("v{version}", "v%s", "-{n}", "+{n}", "-%d", "~{n}", "#{n}", "{n}th", "%dth", "{n}x", "%dx", "{0}px", "%dpx"),
    *("{0}s", "{0}KB", "{0}KB/s", "{user}@x.org", "%s@x.org", "info@{host}", "@{user}", "/path/{0}/x", "users/%s/edit"),
    *("{0}.txt", "{0}+", "id_{0}", "{0}_id", "{a},{b}", "{0}\u2013{1}", "x{0}", "{0}-5"),
    *('"%s"', "'%s'", '"{0}"', "\u201c{0}\u201d", "\u201e{0}\u201c", "\u00ab{0}\u00bb", "\u00bb{0}\u00ab", "(%s)"),
    *("({0})", "[{0}]", "(5)", '"5"', "({n}%)", '("{0}")', "({0}/{1})", '"{h}:{m}"', '"v{0}"', "\u2018{0}\u2019"),
    *("(3.50)", "10+", "5 / 3", "5 + 3", "(10%)", '"https://example.org/a"', "~5", '"{user_name}"', "<b>{0}</b>"),
)  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("is_html", [False, True])
def test_signs_quotes_and_brackets_stay_with_what_they_are_attached_to(pair: str, is_html: bool) -> None:
    cases = [(one, text.replace("{}", one)) for one in _ATTACHED for text in _UNITS[pair[:2]]]
    results = answers(pair, [text for _, text in cases], is_html=is_html)
    wrong = []
    for (one, text), result in zip(cases, results, strict=True):
        written = one.replace("3.50", "3,50") if pair == "en-de" else one
        signs = re.sub(r"(?<=\w)'(?=ve|re|s)", "", result)  # You've is one word.
        if result.count(written) != 1 or any(signs.count(sign) > text.count(sign) for sign in "\"'()[]\u201e\u201c"):
            wrong.append((text, result))
    assert wrong == []


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "Are {0}, {1} and {2} here?", "Sind {0}, {1} und {2} hier?"),
        ("en-de", "100% sure", "100% sicher"),
        ("en-de", "The dog sees {0} here", "Der Hund sieht hier {0}"),
        ("en-de", "It costs $5 at 10:30.", "Es kostet 5 $ um 10:30."),
        ("en-de", "R&D is good. a:b", "R&D ist gut. a:b"),
        ("en-de", "Comments ({count})", "Kommentare ({count})"),
        ("de-en", "Einstellungen (12)", "settings (12)"),
    ],
)
def test_punctuation_of_the_sentence_is_left_to_it(pair: str, text: str, answer: str) -> None:
    assert answers(pair, [text]) == [answer]


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "The price is .5 today.", "Der Preis ist heute 0,5."),
        ("en-de", "It costs $.50 and weighs .5 kg.", "Es kostet 0,50 $ und wiegt 0,5 kg."),
        ("en-de", "Wait--I am coming.", "Warte, ich komme."),
        ("en-de", "It is 2024-01-31T10:00:00Z now.", "Es ist jetzt 2024-01-31T10:00:00Z."),
        ("en-de", "It is 1'000 here.", "Es ist 1'000 hier."),
        ("en-de", "He is 5'10\" tall.", "Er ist 5'10\" groß."),
        ("de-en", "Es ist 1°30' hier.", "It's 1°30' here."),
        ("en-de", "Read 10.1000/182 first.", "Lesen Sie zuerst 10.1000/182."),
        ("de-en", "Der Laden öffnet um 3:00pm heute.", "The store opens at 3:00pm today."),
        ("en-de", "I have 10+ dogs.", "Ich habe 10+ Hunde."),
        ("en-de", "Call (555)123-4567 now.", "Ruf jetzt (555)123-4567 an."),
        ("en-de", "5 / 3 is big.", "5 / 3 ist groß."),
    ],
)
def test_numbers_come_through_whole(pair: str, text: str, answer: str) -> None:
    assert answers(pair, [text], beam_size=None) == [answer]
