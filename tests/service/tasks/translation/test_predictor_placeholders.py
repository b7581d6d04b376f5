"""A translator with placeholders: protected spans come back within their sentence."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from service.bundle.files import Bundle, BundleError
from service.runtime.stepper import HYPOTHESES, JOBS
from service.tasks.tensors import object_array
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.subwords import END, PLACEHOLDER, UNKNOWN, Subwords
from service.tasks.translation.text import TranslationPreprocessing
from tests.support.bundle_edits import rewrite
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import pieces, step_graph, write_translator

load = partial(open_predictor, TranslationPredictor)


def write_copier(repository: Path, *, attention: bool = True) -> Bundle:
    """Write a tiny translator that translates UNKNOWN to UNKNOWN."""
    plain = write_translator(repository, attention=attention, copies=True)
    model = onnx.load_from_string(step_graph("en", attention=attention))
    (mask,) = (tensor for tensor in model.graph.initializer if tensor.name == "mask")
    values = numpy_helper.to_array(mask).copy()
    values[UNKNOWN] = 0
    mask.CopyFrom(numpy_helper.from_array(values, "mask"))
    return rewrite(plain, {"step.onnx": model.SerializeToString()})


@pytest.fixture(scope="module", params=[True, False], ids=["attention", "none"])
def copier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TranslationPredictor:
    return load(write_copier(tmp_path_factory.mktemp("copier"), attention=request.param))


def translate(predictor: TranslationPredictor, text: str, **body: Any) -> dict[str, Any]:
    (result,) = predictor.answer({"text": text, **body})["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("beam_size", [1, 5])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog sleeps.", "Der Hund schläft."),
        ("The 李 sleeps. 😀", "Der 李 schläft. 😀"),
        ("I love 49.99 you.", "Ich liebe 49,99 du."),
        ("The Agnieszka sleeps.", "Der Agnieszka schläft."),
        ("I love 😀😀 you, 王!", "Ich liebe 😀😀 du, 王!"),
        ("See <code>I love</code> and me@example.com.", "See <code>I love</code> und me@example.com."),
        ("THE DOG ± SLEEPS\n\n李", "DER HUND ± SCHLÄFT\n\n李"),
    ],
)
def test_protected_spans_come_back_within_their_sentence(
    copier: TranslationPredictor, text: str, expected: str, beam_size: int
) -> None:
    assert translate(copier, text, beam_size=beam_size)["text"] == expected


def test_a_model_without_placeholders_translates_the_parts(tmp_path: Path) -> None:
    assert not TranslationPreprocessing(source="en", target="de", max_source_tokens=9).uses_placeholders
    plain = load(write_translator(tmp_path))
    assert translate(plain, "I love 李 you.")["text"] == "Ich liebe 李 du."
    (request,) = [TranslateRequest(["I love 李 you."])]
    assert [job.tokens.count(UNKNOWN) for job in plain.preprocess(request)[JOBS]] == [0, 0]


def test_jobs_request_attention(copier: TranslationPredictor) -> None:
    jobs = copier.preprocess(TranslateRequest(["The 李 sleeps. The dog"]))[JOBS]
    assert [job.wants_attention for job in jobs] == [True, True]


def test_alternatives_have_the_protected_spans_too(copier: TranslationPredictor) -> None:
    result = translate(copier, "The big 李.", alternatives=3)
    texts = [result["text"], *(other["text"] for other in result["alternatives"])]
    assert {"Der groß 李.", "Der riesig 李."} <= set(texts)
    assert all(text.count("李") == 1 and PLACEHOLDER not in text for text in texts)


def test_inline_tags_around_a_protected_span(tmp_path: Path) -> None:
    copier = load(write_copier(tmp_path))
    text = "The <b>big 李</b> sleeps."
    assert translate(copier, text)["text"] == "Der <b>groß 李</b> schläft."
    result = translate(copier, text, alignment=True)["sentences"][0]
    assert result["source_tokens"] == ["▁The", "▁big", "▁", "<unk>", "▁sleeps", ".", "</s>"]
    assert np.array(result["alignment"]).argmax(1).tolist() == list(range(7))


def test_no_one_of_many_symbols_is_lost(copier: TranslationPredictor) -> None:
    text = "the 😀 dog " * 300 + "😀" * 2_000
    answer = translate(copier, text, beam_size=1)["text"]
    assert (answer.count("😀"), PLACEHOLDER in answer) == (2_300, False)


@pytest.mark.parametrize(
    ("text", "tokens", "answer", "deltas"),
    [
        # A segment with placeholders waits for the answer,
        ("Yes. The 李. No", [(0, "▁Ja"), (0, ""), (1, "▁Der"), (1, ""), (2, "▁Ja")], "Ja Der 李 Ja",
         ["Ja", " ", "Der 李 Ja"]),
        # or for its end, where it is clear what its only UNKNOWN is.
        ("The 李 <code>a</code>. No", [(0, "▁"), (0, "<unk>"), (0, "."), (1, "▁Ja"), (0, ""), (1, "")], "",
         ["李 <code>a</code>. Ja"]),
        ("The 李, 王 and I", [(0, "▁"), (0, "<unk>"), (0, "")], "王 李", ["王 李"]),
        # A space waits for the next token; after an UNKNOWN too many, all tokens wait.
        ("The dog.", [(0, "▁Der"), (0, "▁"), (0, "<unk>"), (0, "."), (0, "")], "Der.", ["Der", "."]),
        ("The dog", [(0, "▁Der"), (0, "▁"), (0, "a"), (0, "▁"), (0, "<unk>"), (0, "")], "Der a b", ["Der", " a", " b"]),
        ("The dog", [(0, "▁"), (0, "<unk>"), (0, "▁Der"), (0, "")], "Der", ["Der"]),
    ],
)  # fmt: skip
def test_a_stream(tmp_path: Path, text: str, tokens: list[tuple[int, str]], answer: str, deltas: list[str]) -> None:
    copier = load(write_copier(tmp_path))
    request = TranslateRequest([text]).mark_streamed()
    copier.preprocess(request)
    stream = copier.stream(request)
    written = []
    for job, piece in tokens:
        written += list(stream.take(job, pieces().piece_to_id(piece) if piece else END))
    written += list(stream.finish([{"text": answer}]))
    assert [delta for _, delta in written] == deltas


def test_deltas_add_up_to_the_answer(copier: TranslationPredictor) -> None:
    text = "The 李 sleeps. I love 😀 you, 王! The dog <code>a</code>\n\n李: the house"
    request = TranslateRequest([text]).mark_streamed()
    jobs = copier.preprocess(request)[JOBS].tolist()
    stream = copier.stream(request)
    deltas: list[tuple[int, str]] = []

    def on_token(ticket: Hashable, token: int) -> None:
        assert isinstance(ticket, int)
        deltas.extend(stream.take(ticket, token))

    loop = copier.scheduling.step_loop()
    loop.add([job.tokens for job in jobs], jobs[0].settings, range(len(jobs)), [job.wants_attention for job in jobs])
    hypotheses: list[Any] = [None] * len(jobs)
    while loop.active:
        for finished in loop.step(on_token):
            assert isinstance(finished.ticket, int)
            hypotheses[finished.ticket] = finished.hypotheses
            on_token(finished.ticket, END)
    results = copier.postprocess(request, {HYPOTHESES: object_array(hypotheses)})["results"]
    deltas += stream.finish(results)
    assert len(deltas) > 1
    assert "".join(delta for _, delta in deltas) == results[0]["text"] == translate(copier, text, beam_size=1)["text"]
    assert results[0]["text"].startswith("Der 李 schläft. Ich liebe 😀 du, 王! Der Hund <code>a</code>\n\n李: der Haus")


def test_a_vocabulary_with_the_placeholder_character_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_copier(tmp_path)
    monkeypatch.setattr(Subwords, "unknown_characters", lambda self, text: set())
    with pytest.raises(BundleError, match=r"pieces\.model: contains U\+FFFC, .* or train without --placeholders"):
        load(bundle)
