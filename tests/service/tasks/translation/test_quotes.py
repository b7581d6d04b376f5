"""Quotation marks that a translator's training sentences hardly have are read as those that they have, and quoted words
are copied."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from service.bundle.files import read_bundle
from service.tasks.translation import TranslationPredictor
from tests.support.predictors import open_predictor

MODELS = Path(__file__).parents[4] / "models"


@cache
def translator(pair: str) -> TranslationPredictor:
    (version,) = (MODELS / f"translate-{pair}").iterdir()
    return open_predictor(TranslationPredictor, read_bundle(version))


def translate(pair: str, text: str) -> str:
    (result,) = translator(pair).answer({"text": text})["results"]
    return str(result["text"])


@pytest.mark.parametrize("quoted", ["'{}'", "\u2018{}\u2019", "\u201c{}\u201d", "\u00ab{}\u00bb"])
def test_english_quotes_are_read_alike(quoted: str) -> None:
    for sentence, words in (("{} he asked.", "Why not?"), ("He said {} and left.", "good morning")):
        plain = translate("en-de", sentence.format(f'"{words}"'))
        assert translate("en-de", sentence.format(quoted.format(words))) == plain


@pytest.mark.parametrize("quoted", ["'{}'", "\u201a{}\u2018", "\u00bb{}\u00ab", "\u203a{}\u2039", "\u00ab{}\u00bb"])
def test_german_quotes_are_read_alike(quoted: str) -> None:
    plain = translate("de-en", '"Warum nicht?", fragte er.')
    assert translate("de-en", quoted.format("Warum nicht?") + ", fragte er.") == plain


@pytest.mark.parametrize("text", ["The boys' room and the girls' room", "It's Tom's dog, isn't it?", "He's 5' tall"])
def test_an_apostrophe_is_no_quote(text: str) -> None:
    assert '"' not in translate("en-de", text)
    assert "\u201e" not in translate("en-de", text)


@pytest.mark.parametrize(
    ("pair", "text", "quoted"),
    [
        ("en-de", 'The word "serendipity" is hard to translate.', "„serendipity“"),
        ("en-de", 'The password is "sunshine".', "„sunshine“"),
        ("en-de", 'PRESS "OK" TO CONTINUE', "„OK“"),
        ("de-en", 'Was heißt „Feierabend" auf Englisch?', '"Feierabend"'),
        ("de-en", "Die Antwort war „nein“.", '"nein"'),
    ],
)
def test_quoted_words_are_copied(pair: str, text: str, quoted: str) -> None:
    (result,) = translator(pair).answer({"text": text, "alignment": True})["results"]
    assert quoted in result["text"]
    start = result["text"].index(quoted)
    assert {"start": start, "end": start + len(quoted)} in result["copied"]


def test_quoted_words_of_html_are_copied() -> None:
    predictor = translator("en-de")
    body = predictor.routes["/v1/translate"](text="<p>Her book is called &quot;Midnight&quot;.</p>")
    request = predictor.parse(body).mark_html()
    answer = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))
    assert "„Midnight“" in answer["results"][0]["text"]
