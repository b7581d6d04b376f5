"""The translation predictor without HTTP: answers, limits, streaming and invalid bundles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
import pytest

from service.bundle.files import Bundle, BundleError
from service.errors import InvalidRequest
from service.runtime.stepper import JOBS
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.subwords import END
from tests.support.bundle_edits import edit_samples, rewrite
from tests.support.comparisons import assert_same_answer
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import (
    encoder_graph,
    graph_spec,
    pieces,
    pieces_model,
    profile,
    score,
    step_graph,
    translated,
    write_translator,
)

load = partial(open_predictor, TranslationPredictor)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> TranslationPredictor:
    return load(write_translator(tmp_path_factory.mktemp("en")))


def translate(predictor: TranslationPredictor, **body: Any) -> dict[str, Any]:
    (result,) = predictor.answer(body)["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("source", ["en", "de"])
@pytest.mark.parametrize("attention", [True, False])
def test_the_samples_replay(tmp_path: Path, source: str, attention: bool) -> None:
    target = {"en": "de", "de": "en"}[source]
    bundle = write_translator(tmp_path, source=source, target=target, attention=attention)
    predictor = load(bundle)
    assert (predictor.selectors, predictor.profile.language) == ({"source": source, "target": target}, source)
    assert list(predictor.replay()) == []
    edited = edit_samples(bundle, lambda samples: samples[0]["results"][0].update(text="x"))
    (difference,) = load(edited).replay()
    assert difference.startswith("samples[0].results[0].text: expected 'x'")


def test_sentences_keep_their_spacing(english: TranslationPredictor) -> None:
    text = "  The dog sleeps.  I love 😀 you!\n\nGood morning\n"
    result = translate(english, text=text)
    assert result["text"] == "  Der Hund schläft.  Ich liebe 😀 du!\n\nGuten Morgen\n"
    assert list(result) == ["text", "score", "alternatives"]


def test_scores_are_of_the_mean_token(english: TranslationPredictor) -> None:
    texts = ["The big house.", "Hello world"]
    first, second = (translate(english, text=text)["score"] for text in texts)
    assert [first, second] == [pytest.approx(score(text), abs=1e-4) for text in texts]
    counts = [len(pieces().encode(text)) + 1 for text in texts]
    both = translate(english, text=" ".join(texts))["score"]
    assert both == pytest.approx((first * counts[0] + second * counts[1]) / sum(counts), abs=1e-5)


@pytest.mark.parametrize("beam_size", [1, 2, 16, None])
def test_every_beam_finds_the_best(english: TranslationPredictor, beam_size: int | None) -> None:
    text = "The big dog sees the small house and the cat."
    assert translate(english, text=text, beam_size=beam_size)["text"] == translated(text)


def test_alternatives_are_other_translations_by_score(english: TranslationPredictor) -> None:
    result = translate(english, text="The big house. Hello world!", alternatives=4)
    assert result["text"] == "Der groß Haus. Hallo Welt!"
    # Synonyms before words that are not translated, each in the order of the dictionary.
    assert [other["text"] for other in result["alternatives"]] == [
        "Der groß Haus. Servus Welt!",
        "Der groß Heim. Hallo Welt!",
        "Der riesig Haus. Hallo Welt!",
        "Der groß Haus. Hallo world!",
    ]
    scores = [other["score"] for other in result["alternatives"]]
    assert scores == sorted(scores, reverse=True)
    assert result["score"] > scores[0]
    gaps = -np.diff([result["score"], *scores])
    assert gaps.min() > 1e-3, "no near-ties, which the CPU's rounding would decide"


def test_alternatives_raise_the_beam_size(english: TranslationPredictor) -> None:
    (request,) = [TranslateRequest(["the house"], alternatives=9)]
    (job,) = english.preprocess(request)[JOBS]
    assert (job.settings.beam_size, job.settings.n_best) == (10, 10)
    assert english.preprocess(TranslateRequest(["the house"]))[JOBS][0].settings.beam_size == 5


def test_alignment_is_the_attention_weights(english: TranslationPredictor) -> None:
    result = translate(english, text="The dog sleeps. 😀 Hello", alignment=True)
    first, second = result["sentences"]
    assert first["source_tokens"] == ["▁The", "▁dog", "▁sleeps", ".", "</s>"]
    assert first["target_tokens"] == ["▁Der", "▁Hund", "▁schläft", ".", "</s>"]
    assert first["alignment"] == np.eye(5).tolist()
    assert second["target_tokens"] == ["▁Hallo", "</s>"]


def test_texts_without_words(english: TranslationPredictor) -> None:
    for text in ("", " \n", "😀", "12."):
        answer = translate(english, text=text, alternatives=2)
        kept = answer.pop("kept", [])
        assert answer == {"text": text, "score": None, "alternatives": []}
        assert kept == ([{"start": 0, "end": len(text), "reason": "no_letters"}] if text.strip() else [])
    assert english.answer({"texts": []})["results"] == []


def test_endless_repetition_is_stopped(tmp_path: Path) -> None:
    endless = load(write_translator(tmp_path, endless=True))
    for beam_size in (1, 4):
        result = translate(endless, text="the dog sleeps", beam_size=beam_size, alternatives=beam_size - 1)
        assert len(pieces().encode(result["text"])) <= (3 + 1) * 2 + 10
        assert "der der der der" not in result["text"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "a", "beam_size": 0}, "beam_size: is 0, must be from 1 to 16 (LECTERN_MAX_BEAM_SIZE)"),
        ({"text": "a", "beam_size": 1000}, "beam_size: is 1000, must be from 1 to 16"),
        ({"text": "a", "alternatives": -1}, "alternatives: is -1, must be 0 or more"),
        ({"text": "a", "alternatives": 10_000}, "alternatives: is 10000, must be below the beam size 16, which may"),
        ({"text": "a", "alternatives": 3, "beam_size": 3}, "alternatives: is 3, must be below the beam size 3"),
        ({"text": "a" * 101}, "text: has 101 characters, the limit is 100 (LECTERN_MAX_CHARACTERS)"),
        ({"texts": ["a", "a" * 101]}, "texts[1]: has 101 characters"),
        ({"texts": ["a" * 60] * 6}, "texts[5]: with it the request has more than 300 characters, the limit (LECTERN_M"),
        ({"texts": ["a"] * 9}, "texts: 9 texts, the limit is 8 (LECTERN_MAX_TEXTS)"),
    ],
)
def test_beyond_a_limit(english: TranslationPredictor, body: dict[str, Any], message: str) -> None:
    limited = load(english.bundle, max_characters=100, max_total_characters=300, max_texts=8)
    with pytest.raises(InvalidRequest) as caught:
        limited.answer(body)
    assert str(caught.value).startswith(message)


def test_alignment_needs_attention(tmp_path: Path) -> None:
    plain = load(write_translator(tmp_path, "plain", attention=False))
    assert translate(plain, text="The dog sleeps.")["text"] == "Der Hund schläft."
    assert plain.details["attention"] is False
    with pytest.raises(InvalidRequest, match="alignment: model 'plain' has no attention; leave it out"):
        plain.answer({"text": "a", "alignment": True})


def test_tensors_are_texts_and_translations(english: TranslationPredictor) -> None:
    texts = np.array([[b"The dog."], [b""], ["😀".encode()]], object)
    request = english.tensors.read({"TEXT": texts})
    fields = english.postprocess(request, english.infer(english.preprocess(request)))
    translations = english.tensors.write(fields)["TRANSLATION"]
    assert translations.tolist() == [[b"Der Hund."], [b""], ["😀".encode()]]
    with pytest.raises(InvalidRequest, match=r"TEXT\[1\]: is not UTF-8"):
        english.tensors.read({"TEXT": np.array([b"a", b"\xff"], object)})


def test_what_takes_long_is_processed_in_a_thread(english: TranslationPredictor) -> None:
    is_slow = english.scheduling.is_slow
    assert is_slow(TranslateRequest(["the dog. " * 300]))
    assert is_slow(TranslateRequest(["go\n" * 120]))
    assert is_slow(TranslateRequest([""] * 1_000))
    assert is_slow(TranslateRequest(["the dog. "], beam=True))
    assert not is_slow(TranslateRequest(["the dog. " * 20]))


class TestStream:
    """The deltas of a stream, given its tokens."""

    def deltas(
        self, predictor: TranslationPredictor, texts: list[str], tokens: list[tuple[int, str]], answer: str = ""
    ) -> list[Any]:
        """The deltas after `tokens`: pairs of a job's index and a piece, "" for END; every text has this answer."""
        request = TranslateRequest(texts).mark_streamed()
        predictor.preprocess(request)
        stream = predictor.stream(request)
        written = []
        for job, piece in tokens:
            written += list(stream.take(job, pieces().piece_to_id(piece) if piece else END))
        return written + list(stream.finish([{"text": answer}] * len(texts)))

    def test_sentences_are_written_in_order(self, english: TranslationPredictor) -> None:
        tokens = [(0, "▁Der"), (1, "▁Ja"), (1, ""), (0, "▁Hund"), (0, "")]
        assert self.deltas(english, [" The dog\n\nYes \n"], tokens) == [
            (0, " "),
            (0, "Der"),
            (0, " Hund"),
            (0, "\n\nJa \n"),
        ]

    def test_a_sentence_with_inline_tags_waits_for_the_answer(self, english: TranslationPredictor) -> None:
        tokens = [(0, "▁Ja"), (0, "."), (1, "▁Der"), (0, ""), (1, "▁Hund"), (2, "▁Ja"), (1, ""), (2, "")]
        assert self.deltas(english, ["Yes. <b>The</b> dog. Yes"], tokens, "Ja. <b>Der</b> Hund. Ja") == [
            (0, "Ja"),
            (0, "."),
            (0, " "),
            (0, "<b>Der</b> Hund. Ja"),
        ]

    def test_texts_are_streamed_in_parallel(self, english: TranslationPredictor) -> None:
        tokens = [(0, "▁Der"), (1, "▁Ja"), (1, ""), (0, "▁Hund"), (0, "")]
        assert self.deltas(english, ["The dog", "😀", "Yes!?"], tokens) == [
            (1, "😀"),
            (0, "Der"),
            (2, "Ja"),
            (0, " Hund"),
        ]

    def test_nothing_to_translate(self, english: TranslationPredictor) -> None:
        assert self.deltas(english, ["", "😀 "], []) == [(1, "😀 ")]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"beam_size": 2}, "beam_size: a stream is greedy"),
            ({"alternatives": 1}, "alternatives: a stream is greedy"),
        ],
    )
    def test_a_stream_is_greedy(self, options: dict[str, int], message: str) -> None:
        with pytest.raises(InvalidRequest, match=message):
            TranslateRequest(["a"], **options).mark_streamed()
        assert TranslateRequest(["a"], beam_size=1).mark_streamed().beam_size == 1


def test_results_do_not_depend_on_the_batch(english: TranslationPredictor) -> None:
    texts = ["the dog", "The big house sees the small cat and the milk.", "I am tired", "xyz"]
    together = english.answer({"texts": texts, "alternatives": 2, "alignment": True})["results"]
    alone = [translate(english, text=text, alternatives=2, alignment=True) for text in texts]
    assert_same_answer(alone, together)


def test_no_step_has_more_rows_than_the_budget(
    english: TranslationPredictor, token_shapes: list[tuple[int, ...]]
) -> None:
    limited = load(english.bundle, max_batch_hypotheses=20)
    token_shapes.clear()
    limited.answer({"texts": ["the dog"] * 30})
    assert max(sentences * width for sentences, width in token_shapes) == 20


Change = Callable[[dict[str, Any]], object]


def _edited(bundle: Bundle, repository: Path, change: Change, files: dict[str, bytes] | None = None) -> Bundle:
    """A copy of a bundle with another manifest."""
    document = bundle.manifest.model_dump(mode="json")
    change(document)
    manifest = type(bundle.manifest).model_validate(document)
    return rewrite(Bundle(path=bundle.path, manifest=manifest), files or {}, repository)


def _plain_step(document: dict[str, Any]) -> None:
    document["graphs"]["step"] = graph_spec("step.onnx", step_graph("en", attention=False)).model_dump(mode="json")


@pytest.mark.parametrize(
    ("change", "files", "message"),
    [
        (lambda d: d["preprocessing"].pop("source"), {}, r"preprocessing: source: Field required"),
        (lambda d: d["preprocessing"].update(source="English"), {}, r"preprocessing: source: String should match"),
        (lambda d: d["preprocessing"].update(speed=3), {}, r"preprocessing: speed: is not a field"),
        (lambda d: d["preprocessing"].update(max_source_tokens=1), {}, r"max_source_tokens: Input should be greater"),
        (lambda d: d["preprocessing"].update(profile="gone.json"), {}, r"gone.json is not listed"),
        (lambda d: d["preprocessing"].update(source="fr"), {}, r"language.json: is of 'en', the source is 'fr'"),
        (lambda d: d["graphs"].pop("step"), {}, r"graphs: the task translation needs encoder and step, and no other"),
        (
            _plain_step,
            {"step.onnx": step_graph("en", attention=False)},
            r"inputs of step.onnx .* must be .*memory",
        ),
        (lambda d: None, {"pieces.model": b"no model"}, r"pieces.model: is no SentencePiece model; export"),
        (lambda d: None, {"pieces.model": b""}, r"pieces.model: is no SentencePiece model; export"),
        (lambda d: None, {"language.json": b"{}"}, r"language.json: .*; export the model again"),
        (lambda d: None, {"language.json": profile("de")}, r"language.json: is of 'de', the source is 'en'"),
        (lambda d: None, {"step.onnx": b"nothing"}, r"step.onnx: onnxruntime cannot load it"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(
    english: TranslationPredictor, tmp_path: Path, change: Change, files: dict[str, bytes], message: str
) -> None:
    bundle = _edited(english.bundle, tmp_path, change, files)
    with pytest.raises(BundleError, match=message):
        load(bundle)


def _cut_table(graph: bytes, name: str, axis: int) -> bytes:
    """A graph without the last row or column of a table."""
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.delete(array, -1, axis), name))
    return bytes(model.SerializeToString())


def test_tables_without_a_row_for_each_piece_are_refused(english: TranslationPredictor, tmp_path: Path) -> None:
    short = rewrite(english.bundle, {"encoder.onnx": _cut_table(encoder_graph("en"), "table", 0)}, tmp_path / "a")
    with pytest.raises(BundleError, match=r"encoder.onnx: has no row for piece 319 of the source"):
        load(short)
    plain = write_translator(tmp_path / "b", attention=False)
    narrow = _cut_table(_cut_table(step_graph("en", attention=False), "table", 1), "mask", 0)
    with pytest.raises(BundleError, match=r"step.onnx: (has no row for piece 319|does not have the 320 pieces) of the"):
        load(rewrite(plain, {"step.onnx": narrow}))


def test_separate_vocabularies(english: TranslationPredictor, tmp_path: Path) -> None:
    bundle = _edited(
        english.bundle,
        tmp_path,
        lambda document: document["preprocessing"].update(source_pieces="source.model", target_pieces="target.model"),
        {"source.model": pieces_model(), "target.model": pieces_model()},
    )
    assert translate(load(bundle), text="The dog")["text"] == "Der Hund"


def test_answers_are_json(english: TranslationPredictor) -> None:
    answer = english.answer({"text": "The dog", "alignment": True, "alternatives": 1})
    assert orjson.loads(orjson.dumps(answer)) == answer
