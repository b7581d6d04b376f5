"""What would become invented words is given back as it was, and named: by the translators that are shipped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle.files import read_bundle
from service.decoding import Hypothesis
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.code import is_code
from service.tasks.translation.text.invention import InventionGuard
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import pieces_model

MODELS = Path(__file__).parents[4] / "models"
PAIRS = ["en-de", "de-en"]


@cache
def translator(pair: str) -> TranslationPredictor:
    versions = sorted((MODELS / f"translate-{pair}").iterdir(), key=lambda path: int(path.name))
    return open_predictor(TranslationPredictor, read_bundle(versions[-1]))


def translate(pair: str, text: str, **options: Any) -> dict[str, Any]:
    (result,) = translator(pair).answer({"text": text, **options})["results"]
    assert isinstance(result, dict)
    return result


def kept(text: str, result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(text[one["start"] : one["end"]], one["reason"]) for one in result.get("kept", [])]


@pytest.mark.parametrize(
    ("html", "answer"),
    [
        ("One sentence. <b>Two sentences.</b> Three.", "Ein Satz. <b>Zwei Sätze.</b> Drei."),
        ("<i>The dog.</i> The cat.", "<i>Der Hund.</i> Die Katze."),
        ("<p>The 2<sup>nd</sup> door</p>", "<p>Die 2<sup>nd</sup> Tür</p>"),
        ("H<sub>2</sub>O is water.", "H<sub>2</sub>O ist Wasser."),
        ("<![if !supportLists]>1.<![endif]>Good morning!", "<![if !supportLists]>1.<![endif]>Guten Morgen!"),
        ("<p lang=fr>Bonjour le monde</p><p lang=en-GB>Good morning!</p>",
         "<p lang=fr>Bonjour le monde</p><p lang=en-GB>Guten Morgen!</p>"),
        ("<body lang=fr>Good morning!</body>", "<body lang=fr>Guten Morgen!</body>"),
        ("<p>&laquo; Back</p>", "<p>&laquo; Zurück</p>"),
        ("Monday &ndash; Friday", "Montag &ndash; Freitag"),
    ],
)  # fmt: skip
def test_html_comes_through(html: str, answer: str) -> None:
    predictor = translator("en-de")
    request = predictor.parse(predictor.routes["/v1/translate"](text=html)).mark_html()
    (result,) = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    assert result["text"] == answer


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "no_letters") for text in ("B", "x", "1.", "a)", "♪", "?????", "😀", "x y z", "A. B. C.")),
        *((text, "no_letters") for text in ("E = mc^2", "a^2 + b^2 = c^2", "( o.o )", "+-----+-----+", "1) 2) 3)")),
        *((text, "no_letters") for text in ("d41d8cd98f00b204e9800998ecf8427e", "https://example.com/a?b=c", "xyz123")),
        *((text, "repeats") for text in ("aaaaaaa", "a" * 120, "hahahaha", "Noooooooooo!", "la la la", "Haus " * 12)),
        *((text, "language") for text in ("asdfghjkl", "bcdfg", "qwrtz pfgh xkcd", "Lorem ipsum dolor sit amet.")),
        *((text, "language") for text in ("Привет, как дела?", "你好世界", "مرحبا بالعالم")),
        *((text, "language") for text in ("if (x == 0) { return foo(bar); }", "for i in range(10):", 'print("Hello")')),
        *((text, "language") for text in ("$ ls -la | grep foo", "SELECT * FROM users WHERE id = 1;")),
        *((text, "language") for text in ("npm install --save-dev eslint", "git commit -m fix")),
    ],
)  # fmt: skip
def test_what_is_no_sentence_comes_back(pair: str, text: str, reason: str) -> None:
    result = translate(pair, text, beam_size=1)
    assert result["text"] == text
    assert kept(text, result) == [(text.strip(), reason)]
    assert (result["score"], result["alternatives"]) == (None, [])


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "Yes", "Ja"), ("en-de", "I", "Ich"), ("en-de", "Thanks", "Danke"), ("en-de", "the", "die"),
        ("en-de", "soooooo good", "soooooo gut"), ("de-en", "Danke.", "Thank you."), ("de-en", "Katze", "cat"),
    ],
)  # fmt: skip
def test_short_texts_are_translated(pair: str, text: str, answer: str) -> None:
    result = translate(pair, text)
    assert result["text"] == answer
    assert "kept" not in result


def test_the_rest_of_the_text_is_translated() -> None:
    text = "Good morning!\n\nasdfghjkl qwrtz\n1. Where is the dog?\n😀\n"
    result = translate("en-de", text, alternatives=1, alignment=True)
    assert result["text"] == "Guten Morgen!\n\nasdfghjkl qwrtz\n1. Wo ist der Hund?\n😀\n"
    assert kept(text, result) == [("asdfghjkl qwrtz", "language"), ("😀", "no_letters")]
    assert len(result["sentences"]) == 2
    assert all("asdfghjkl qwrtz" in other["text"] for other in result["alternatives"])


def test_offsets_are_of_the_text_as_sent_and_its_bytes_stay() -> None:
    text = "cafe\u0301.\nasdfghjkl e\u0301\u0327 xkcd\n"
    result = translate("en-de", text)
    assert kept(text, result) == [("asdfghjkl e\u0301\u0327 xkcd", "language")]
    assert result["text"].endswith("\nasdfghjkl e\u0301\u0327 xkcd\n")


def test_html_comes_back_as_it_was() -> None:
    predictor = translator("en-de")
    text = "<p>Good morning!</p><p>asdf<b>ghj</b>kl &amp; qwrtz&nbsp;xkcd</p>"
    request = predictor.parse(predictor.routes["/v1/translate"](text=text)).mark_html()
    (result,) = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    assert result["text"] == text.replace("Good morning", "Guten Morgen")
    assert kept(text, result) == [("asdf<b>ghj</b>kl &amp; qwrtz&nbsp;xkcd", "language")]


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        ("en-de", "I have known %s for %d years."),
        ("de-en", "Seit %d Jahren kenne ich %s."), ("en-de", "Level 5+"),
    ],
)  # fmt: skip
def test_moved_arguments_and_lost_words_are_kept(pair: str, text: str) -> None:
    result = translate(pair, text)
    assert result["text"] == text
    assert kept(text, result) == [(text, "unattended")]


@pytest.mark.parametrize(
    ("pair", "text", "answer"),
    [
        ("en-de", "Yes -- no", "Ja -- keine"), ("en-de", "« Back", "« Zurück"), ("en-de", "(x) yes", "(x) ja"),
        ("en-de", "Error: {error}", "Fehler: {error}"), ("en-de", "Good morning :)", "Guten Morgen :)"),
        ("en-de", "404 Not Found", "404 Nicht gefunden"), ("en-de", "Date:", "Datum:"),
        ("de-en", "Ja / Nein", "Yes / No"),
        ("de-en", "Telefon :", "Phone :"), ("de-en", "%d Dateien", "%d files"), ("en-de", "Price: 5.50", "Preis: 5,50"),
        ("en-de", "Date: May 3, 1987", "Datum: 3. Mai 1987"), ("en-de", "{1} and {0}", "{1} und {0}"),
    ],
)  # fmt: skip
def test_signs_of_short_texts_stay_and_no_words_are_lost(pair: str, text: str, answer: str) -> None:
    result = translate(pair, text)
    assert result["text"] == answer
    assert "kept" not in result


@pytest.fixture(scope="module")
def guard() -> InventionGuard:
    subwords = Subwords(pieces_model())
    return InventionGuard("en", subwords, subwords)


@pytest.mark.parametrize(
    ("source", "target", "coverage", "reason"),
    [
        ("the dog", "der Hund", None, None),
        ("the dog", "der Hund der groß", [1.0] * 3, None),
        ("dog", "der Hund und der Katze und ich", None, "too_long"),
        ("the dog", "...", None, "unattended"),
        ("the dog", "5", None, "unattended"),
        ("the dog \ufffc", "\ufffc", None, "unattended"),
        ("the dog \ufffc", "\ufffc \ufffc", None, None),
        ("the dog sleeps", "der Hund", [0.1, 0.1, 0.1, 3.0], "unattended"),
        ("the dog and the cat and the milk and the house and I", "der Hund", [1.0, 1.0] + [0.0] * 11, "unattended"),
        ("the dog sleeps and the cat sleeps", "der groß der groß der groß der groß der groß", None, "repeats"),
        ("the dog sleeps", "der Hund schläft", [7.0, 1.0, 1.0, 1.0], "repeats"),
    ],
)
def test_translations_are_judged(
    guard: InventionGuard, source: str, target: str, coverage: list[float] | None, reason: str | None
) -> None:
    subwords = Subwords(pieces_model())
    ids, tokens = subwords.encode(source), tuple(subwords.encode(target))
    attention = None if coverage is None else np.array(coverage, np.float32)
    assert guard.after(ids, Hypothesis(tokens, -0.5, None, attention)) == reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is the dog (or the cat)?", False), ("Bring your Kolleg(inn)en; it's fun -> really.", False),
        ("The price went from $5 to $10.", False), ("Let me go; I'm late.", False), ("Use --help or -h.", False),
        ("def add(a, b): return a + b", True), ("const x = foo(bar);", True), ("x[i] += y[j];", True),
        ("public static void main(String[] args) {", True), ("</div><br/>", False), ("cd /tmp && ls -l", True),
    ],
)  # fmt: skip
def test_code_is_told_from_sentences(text: str, expected: bool) -> None:
    assert is_code(text) is expected
