"""Asides: brackets, dashes and slashes within a sentence are translated on their own and put back by attention."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle.files import read_bundle
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.asides import Place, PlacedAside, find_asides, with_asides, with_markers
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import pieces_model

MODELS = Path(__file__).parents[4] / "models"
KNOWN = {"bread", "butter", "he", "she", "and", "or", "yes", "no"}
find = partial(find_asides, protected=[], is_known=KNOWN.__contains__)


@cache
def translator(pair: str) -> TranslationPredictor:
    (version,) = (MODELS / f"translate-{pair}").iterdir()
    return open_predictor(TranslationPredictor, read_bundle(version))


def translate(pair: str, text: str, **options: Any) -> dict[str, Any]:
    (result,) = translator(pair).answer({"text": text, **options})["results"]
    assert isinstance(result, dict)
    return result


def asides(sentence: str) -> list[tuple[str, str, str]]:
    """What is taken out of a sentence, its words, and its place."""
    return [
        (sentence[one.start : one.end], sentence[one.first : one.last], one.place)
        for one in find(sentence, 0, len(sentence))
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("My brother (the doctor) is here.", [(" (the doctor)", "the doctor", "within")]),
        ("It costs 5 euros [without tax].", [(" [without tax]", "without tax", "end")]),
        ("(Maybe) we go.", [("(Maybe) ", "Maybe", "start")]),
        ("It was late \u2013 we went home!", [(" \u2013 we went home", "we went home", "end")]),
        ("My aunt - a good friend - is here.", [(" - a good friend -", "a good friend", "within")]),
        ("bread/butter and milk", [("/butter", "butter", "within")]),
        ("The first (black) and the second (white) one.", [
            (" (black)", "black", "within"), (" (white)", "white", "within"),
        ]),
    ],
    ids=["brackets", "at the end", "at the start", "dash", "two dashes", "slash", "two"],
)  # fmt: skip
def test_what_is_an_aside(sentence: str, expected: list[tuple[str, str, str]]) -> None:
    assert asides(sentence) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "Inbox (12) and (5 3).", "file(s) and f(x)", "(all of it)", "the flight London - Berlin is late", "9 - 5",
        "TCP/IP", "a/b", "usr/bread/butter", "bread/butter.txt", "http://bread/butter", "Lehrer/innen", "unknown/bread",
        "well-known", "(never closed", "a \ufdd2 (marker here) b",
    ],
)  # fmt: skip
def test_what_is_none(sentence: str) -> None:
    assert asides(sentence) == []


def test_an_aside_follows_the_word_that_attended_to_the_one_before_it() -> None:
    subwords = Subwords(pieces_model())
    tokens = subwords.encode("red dog sleeps.")
    pieces = [subwords.piece(token) for token in tokens]
    dog, stop = pieces.index("\u2581dog"), pieces.index(".")
    text = subwords.decode(tokens)
    attention = np.eye(len(tokens), dtype=np.float32)

    def placed(attention: Any, *where: tuple[Place, tuple[int, int]]) -> str:
        own = [PlacedAside(place, anchor, "", "", 0, 0) for place, anchor in where]
        marked = with_markers(text, tokens, attention, own, subwords)
        return with_asides(marked, [f"<{number}>" for number in range(len(own))])

    assert placed(attention, ("within", (dog, dog + 1))) == "red dog<0> sleeps."
    assert placed(attention, ("within", (dog, dog + 1)), ("within", (0, 1))) == "red<1> dog<0> sleeps."
    assert placed(attention, ("within", (dog + 1, dog + 2))) == "red dog sleeps<0>.", "not within a word"
    assert placed(attention[:, ::-1], ("within", (len(tokens) - 1 - stop, len(tokens) - stop))) != "red dog sleeps.<0>"
    assert placed(attention, ("end", (0, 0))) == "red dog sleeps<0>."
    assert placed(attention, ("start", (0, 0))) == "<0>red dog sleeps."
    assert placed(None, ("within", (1, 2)), ("within", (0, 1))) == "red dog sleeps<0><1>."


@pytest.mark.parametrize(
    ("pair", "sentence", "translation"),
    [
        ("en-de", "My brother (the doctor) lives in Berlin.", "Mein Bruder (der Arzt) lebt in Berlin."),
        ("en-de", "My brother [the doctor] lives in Berlin.", "Mein Bruder [der Arzt] lebt in Berlin."),
        ("en-de", "It was late \u2013 we went home.", "Es war spät \u2013 wir sind nach Hause gegangen."),
        ("en-de", "Bring bread/butter and milk.", "Bring Brot/Butter und Milch."),
        ("en-de", "The cat (black) and 12.50 euros (without tax)!", None),
        ("de-en", "Mein Bruder (der Arzt) wohnt in Berlin.", "My brother (the doctor) lives in Berlin."),
        ("de-en", "Das Buch (auf Deutsch) liegt auf dem Tisch.", "The book (in German) is on the table."),
        ("de-en", "Männer und/oder Frauen", None),
    ],
    ids=["en brackets", "square brackets", "dash", "slash", "two", "de brackets", "within", "conjunctions"],
)
def test_the_shipped_translators_translate_asides(pair: str, sentence: str, translation: str | None) -> None:
    """Nothing of an aside is left as it was, and its signs are there."""
    result = translate(pair, sentence, alignment=True, alternatives=2)
    assert translation is None or result["text"] == translation
    for sign in "()/\u2013":
        assert result["text"].count(sign) == sentence.count(sign)
    untranslated = {"en-de": {"the", "doctor", "butter", "black", "without"}, "de-en": {"der", "Arzt", "auf", "oder"}}
    assert untranslated[pair].isdisjoint(re.findall(r"\w+", result["text"]))
    copied = [result["text"][one["start"] : one["end"]] for one in result.get("copied", [])]
    assert "(" not in sentence or {"(", ")"} <= set("".join(copied))
    assert len(result["sentences"]) >= 2, "the aside has a search of its own"
    assert all(one["text"] != result["text"] for one in result["alternatives"])


def test_an_aside_in_html_and_in_capitals() -> None:
    assert translate("en-de", "HE IS (REALLY) TIRED.")["text"] == "ER IST (WIRKLICH) MÜDE."
    predictor = translator("en-de")
    body = predictor.routes["/v1/translate"](text="<p>My brother (the doctor &amp; his wife) is here.</p>")
    request = predictor.parse(body).mark_html()
    (result,) = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    assert result["text"] == "<p>Mein Bruder (der Arzt und seine Frau) ist hier.</p>"


def test_an_aside_that_is_kept_stays_where_it_was() -> None:
    text = "My brother (xqzkv wqkzx qqzx) lives in Berlin."
    result = translate("en-de", text)
    assert result["text"] == "Mein Bruder (xqzkv wqkzx qqzx) lebt in Berlin."
    assert [text[one["start"] : one["end"]] for one in result["kept"]] == ["xqzkv wqkzx qqzx"]
