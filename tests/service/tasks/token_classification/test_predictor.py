"""The taggers' predictor without HTTP: offsets, limits, length buckets, and invalid bundles."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from service.bundle.files import Bundle, BundleError
from service.errors import InvalidRequest, LecternError, ModelFailure, PayloadTooLarge
from service.runtime.session import OnnxSession
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.length_buckets import length_buckets
from tests.support.bundle_edits import edit_samples, rewrite
from tests.support.comparisons import assert_same_answer
from tests.support.files import npy
from tests.support.predictors import open_predictor
from tests.support.tagger_bundles import CHARACTERS, MAX_CHARACTERS, SPAN_LABELS, WORDS, transitions, write_tagger

load = partial(open_predictor, TokenClassificationPredictor)


@pytest.fixture(scope="module")
def pos(tmp_path_factory: pytest.TempPathFactory) -> TokenClassificationPredictor:
    return load(write_tagger(tmp_path_factory.mktemp("pos"), kind="tags"))


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> TokenClassificationPredictor:
    return load(write_tagger(tmp_path_factory.mktemp("names"), kind="spans"))


def tag(predictor: TokenClassificationPredictor, text: str) -> dict[str, Any]:
    (result,) = predictor.answer({"text": text})["results"]
    assert isinstance(result, dict)
    return result


def pairs(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(token["text"], token["tag"]) for token in result["tokens"]]


@pytest.mark.parametrize("kind", ["tags", "spans"])
@pytest.mark.parametrize("crf", [True, False])
def test_the_samples_replay(tmp_path: Path, kind: Kind, crf: bool) -> None:
    bundle = write_tagger(tmp_path, kind=kind, crf=crf)
    assert list(load(bundle).replay()) == []
    edited = edit_samples(bundle, lambda samples: samples[0]["results"][0]["tokens"][1].update(tag="X"))
    (difference,) = load(edited).replay()
    assert difference.startswith("samples[0].results[0].tokens[1].tag: expected 'X'")


def test_words_are_tagged(pos: TokenClassificationPredictor) -> None:
    result = tag(pos, "The cat sat on 42 mats. Ada!")
    assert pairs(result) == [
        ("The", "DET"),
        ("cat", "NOUN"),
        ("sat", "VERB"),
        ("on", "ADP"),
        ("42", "NUM"),
        ("mats", "NOUN"),
        (".", "PUNCT"),
        ("Ada", "PROPN"),
        ("!", "PUNCT"),
    ]
    assert result["sentences"] == [{"start": 0, "end": 23}, {"start": 24, "end": 28}]
    assert all(0.5 < token["score"] <= 1 for token in result["tokens"])
    assert list(result) == ["sentences", "tokens"]
    assert list(result["tokens"][0]) == ["text", "start", "end", "tag", "score"]


def test_entities_are_found(names: TokenClassificationPredictor) -> None:
    result = tag(names, "Ada Lovelace sat in New York, Paris.\n\nZoë Babbage!")
    assert [tag for _, tag in pairs(result)] == [
        "B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O", "B-LOC", "O", "B-PER", "I-PER", "O"
    ]  # fmt: skip
    entities = result["entities"]
    assert [(entity["text"], entity["label"], entity["start"], entity["end"]) for entity in entities] == [
        ("Ada Lovelace", "PER", 0, 12),
        ("New York", "LOC", 20, 28),
        ("Paris", "LOC", 30, 35),
        ("Zoë Babbage", "PER", 38, 49),
    ]
    assert all(0 < entity["score"] <= 1 for entity in entities)
    paris = next(token for token in result["tokens"] if token["text"] == "Paris")
    assert entities[2]["score"] == paris["score"], "the span of one token is its tag"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Zoë 😀 loves Paris!", ["Zoë", "😀", "loves", "Paris", "!"]),
        ("the cafe\u0301.", ["the", "cafe\u0301", "."]),
        ("👩\u200d👩\u200d👧 sat", ["👩\u200d👩\u200d👧", "sat"]),
        ("\u05e9\u05dc\u05d5\u05dd, Ada. \u0645\u0631\u062d\u0628\u0627!", ["שלום", ",", "Ada", ".", "مرحبا", "!"]),
        ("  the\tcat\r\n sat\u00a0\u3000on\u2028it ", ["the", "cat", "sat", "on", "it"]),
        ("the\x00cat \x07\x1b[0m", None),
        ("\ufeffAda\u200b sat", None),
        ("\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea!?…", None),
        ("\u0301\u0301 a", None),
    ],
)
def test_offsets_are_code_points_of_the_text_as_sent(
    pos: TokenClassificationPredictor, text: str, words: list[str] | None
) -> None:
    tokens = tag(pos, text)["tokens"]
    assert tokens
    for token in tokens:
        assert text[token["start"] : token["end"]] == token["text"] != ""
    gaps = [text[a["end"] : b["start"]] for a, b in pairwise(tokens)]
    assert all(not gap or gap.isspace() for gap in [*gaps, text[: tokens[0]["start"]], text[tokens[-1]["end"] :]])
    assert words is None or [token["text"] for token in tokens] == words


def test_words_are_looked_up_in_composed_form(pos: TokenClassificationPredictor) -> None:
    composed, decomposed = "the café sat", unicodedata.normalize("NFD", "the café sat")
    first, second = tag(pos, composed), tag(pos, decomposed)
    assert second["tokens"][1] == first["tokens"][1] | {"text": "cafe\u0301", "end": 9}
    assert [token["score"] for token in first["tokens"]] == [token["score"] for token in second["tokens"]]


@pytest.mark.parametrize("text", ["", " ", "\t\n\r \u00a0\u2003\u2028", "\n\n\n\n"])
def test_nothing_to_tag_has_an_empty_result(names: TokenClassificationPredictor, text: str) -> None:
    assert tag(names, text) == {"sentences": [], "tokens": [], "entities": []}


def test_empty_texts_stand_between_others(names: TokenClassificationPredictor) -> None:
    results = names.answer({"texts": ["", "Ada sat. Zoë wrote.", " ", "Paris"]})["results"]
    assert [len(result["tokens"]) for result in results] == [0, 6, 0, 1]
    assert [[entity["text"] for entity in result["entities"]] for result in results] == [
        [], ["Ada", "Zoë"], [], ["Paris"]
    ]  # fmt: skip
    assert names.answer({"texts": []})["results"] == []
    assert names.answer({"tokens": []})["results"] == []
    empty = {"sentences": [], "tokens": [], "entities": []}
    assert names.answer({"tokens": [[], []]})["results"] == [empty, empty]


def test_tokens_are_taken_as_they_are(names: TokenClassificationPredictor) -> None:
    results = names.answer({"tokens": [["Ada Lovelace", "wrote", "."], ["Zoë", "sat.", "New", "York", "😀x", "!"]]})
    first, second = results["results"]
    assert pairs(first) == [("Ada Lovelace", "O"), ("wrote", "O"), (".", "O")]
    assert first["sentences"] == [{"start": 0, "end": 20}]
    assert [(token["start"], token["end"]) for token in second["tokens"]] == [
        (0, 3), (4, 8), (9, 12), (13, 17), (18, 20), (21, 22)
    ]  # fmt: skip
    assert [(entity["text"], entity["start"]) for entity in second["entities"]] == [("Zoë", 0), ("New York", 9)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "send one of 'text', 'texts' and 'tokens'"),
        ({"text": "a", "texts": ["b"]}, "send one of 'text', 'texts' and 'tokens'"),
        ({"text": None, "tokens": None}, "send one of 'text', 'texts' and 'tokens'"),
        ({"text": 7}, "text: Input should be a valid string"),
        ({"texts": "Ada"}, "texts: Input should be a valid list"),
        ({"text": "a lone \ud800"}, "text: holds half of a surrogate pair at character 7; send whole"),
        ({"texts": ["Ada", None]}, r"texts\[1\]: Input should be a valid string"),
        ({"tokens": ["Ada", "sat"]}, r"tokens\[0\]: Input should be a valid list"),
        ({"tokens": [["Ada"], ["sat", 7]]}, r"tokens\[1\]\[1\]: Input should be a valid string"),
        ({"tokens": [["Ada"], [], ["", "sat"]]}, r"^tokens\[2\]\[0\]: is empty; send a word"),
        ({"tokens": [["Ada", " \t\u2003"]]}, r"^tokens\[0\]\[1\]: is empty"),
        ({"text": "Ada", "lang": "en"}, "lang: is not a field of this request"),
        ({"texts": ["a"] * 5}, r"^texts: 5 texts, the limit is 4 \(LECTERN_MAX_TEXTS\); send several requests"),
        ({"tokens": [["a"]] * 5}, r"^tokens: 5 token lists, the limit is 4 \(LECTERN_MAX_TEXTS\)"),
        (
            {"texts": ["Ada sat. " + "la " * 11]},
            r"^texts\[0\]: its sentence 2, from character 9 \('la la .*'…\), has 11 tokens, the limit is 10 "
            r"\(LECTERN_MAX_SENTENCE_TOKENS\); end sentences with a full stop or a line break",
        ),
        (
            {"tokens": [["a"], ["la"] * 11]},
            r"^tokens\[1\]: 11 tokens, the limit is 10 \(LECTERN_MAX_SENTENCE_TOKENS\); send it as several sentences",
        ),
        (
            {"texts": ["a b c d e. a b c d e.", "a b c d e. a b c d e."]},
            r"^texts\[1\]: with it the request has more than 20 tokens, the limit \(LECTERN_MAX_TOTAL_TOKENS\)",
        ),
    ],
)
def test_bad_requests_are_named(tmp_path: Path, body: dict[str, Any], message: str) -> None:
    predictor = load(write_tagger(tmp_path), max_texts=4, max_sentence_tokens=10, max_total_tokens=20)
    with pytest.raises(InvalidRequest, match=message):
        predictor.answer(body)


@pytest.mark.parametrize(("text", "size"), [("a" * 101, 101), ("é" * 51, 102), ("😀" * 26, 104)])
def test_a_text_of_too_many_bytes(tmp_path: Path, text: str, size: int) -> None:
    predictor = load(write_tagger(tmp_path), max_text_bytes=100)
    with pytest.raises(PayloadTooLarge, match=rf"texts\[1\]: {size} bytes of text, the limit is 100 \(LECTERN_MAX_T"):
        predictor.answer({"texts": ["a" * 100, text]})
    with pytest.raises(PayloadTooLarge, match=r"text: \d+ bytes of text"):
        predictor.answer({"text": text})
    with pytest.raises(PayloadTooLarge, match=r"tokens\[0\]: \d+ bytes of text"):
        predictor.answer({"tokens": [[text]]})


def test_a_long_text_is_split_at_sentences(pos: TokenClassificationPredictor) -> None:
    text = "The cat sat on the mat. " * 4_160
    assert 99_000 < len(text) < 100_000
    result = tag(pos, text)
    alone = tag(pos, "The cat sat on the mat.")
    assert len(result["sentences"]) == 4_160
    assert [token["tag"] for token in result["tokens"]] == [token["tag"] for token in alone["tokens"]] * 4_160
    with pytest.raises(InvalidRequest, match=r"text: its sentence 1, .* has 10000 tokens, the limit is 1000"):
        tag(pos, "word " * 10_000)


def random_sentences(count: int, seed: int = 0) -> list[list[str]]:
    random = np.random.default_rng(seed)
    words = [*WORDS, "zzz", "Qqq", "3.14"]
    return [[words[index] for index in random.integers(0, len(words), random.integers(1, 40))] for _ in range(count)]


@pytest.mark.parametrize("kind", ["tags", "spans"])
def test_alone_and_together_are_the_same(tmp_path: Path, kind: Kind) -> None:
    bundle = write_tagger(tmp_path, kind=kind)
    large, small = load(bundle), load(bundle, max_batch_tokens=50)
    sentences = random_sentences(60)
    together = large.answer({"tokens": sentences})["results"]
    for sentence, result in zip(sentences, together, strict=True):
        (alone,) = large.answer({"tokens": [sentence]})["results"]
        assert_same_answer(alone, result)
    assert_same_answer(together, small.answer({"tokens": sentences})["results"])


def test_sentences_of_similar_length_run_together(
    pos: TokenClassificationPredictor, token_shapes: list[tuple[int, ...]]
) -> None:
    pos.answer({"tokens": [["a"] * length for length in [3, 30] * 20]})
    assert token_shapes == [(20, 30), (20, 3)]
    assert pos.scheduling.costs({"sentences": np.array([["a"], ["a", "b", "c"]], object)}).tolist() == [1, 3]


@pytest.mark.parametrize("budget", [1, 64, 300, 100_000])
def test_length_buckets_are_a_partition_within_the_budget(budget: int) -> None:
    lengths = np.random.default_rng(1).integers(1, 60, 500)
    buckets = list(length_buckets(lengths, budget))
    assert sorted(np.concatenate(buckets).tolist()) == list(range(500))
    for bucket in buckets:
        assert len(bucket) == 1 or len(bucket) * lengths[bucket].max() <= budget
    assert sum(len(bucket) * lengths[bucket].max() for bucket in buckets) < 1.3 * lengths.sum()
    assert list(length_buckets(np.zeros(0, np.int64), budget)) == []
    assert [bucket.tolist() for bucket in length_buckets(np.array([70]), budget)] == [[0]]


def test_length_buckets_have_the_least_cost() -> None:
    lengths = np.array([10, 10, 9, 1, 1, 1, 1, 1, 1])
    assert [sorted(lengths[bucket].tolist()) for bucket in length_buckets(lengths, 1_000)] == [[9, 10, 10], [1] * 6]
    assert [len(bucket) for bucket in length_buckets(np.array([10, 9, 8]), 1_000)] == [3]
    # A step costs hardly more than its rows: many sentences are not padded to save a run.
    assert [len(bucket) for bucket in length_buckets(np.array([12, 8] * 10), 1_000)] == [10, 10]


def test_which_requests_block_or_are_quick(pos: TokenClassificationPredictor) -> None:
    def request(**body: Any) -> Any:
        return pos.parse(pos.routes["/v1/tag"].model_validate(body))

    assert not pos.scheduling.is_slow(request(text="A few words."))
    assert pos.scheduling.is_slow(request(text="word " * 1_000))
    assert pos.scheduling.is_slow(request(texts=["A few words."] * 500))
    assert pos.scheduling.is_slow(request(tokens=[["a"] * 100] * 10))
    assert pos.scheduling.is_quick(pos.preprocess(request(text="")))
    assert not pos.scheduling.is_quick(pos.preprocess(request(text="Ada")))


def test_nan_emissions_are_a_model_failure(pos: TokenClassificationPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxSession, "run", lambda self, feeds: {"emissions": np.full((1, 1, 7), np.nan, np.float32)})
    with pytest.raises(ModelFailure, match="NaN or infinity"):
        pos.answer({"text": "Ada"})


def test_the_open_inference_protocol_shows_the_task(names: TokenClassificationPredictor) -> None:
    assert [(spec.name, spec.datatype, spec.shape) for spec in (*names.tensors.inputs, *names.tensors.outputs)] == [
        ("TEXT", "BYTES", (-1, 1)),
        ("TAGS", "BYTES", (-1, 1)),
    ]
    texts = ["Ada sat.", "", "Zoë 😀"]
    request = names.tensors.read({"TEXT": np.array([[text.encode()] for text in texts], object)})
    fields = names.postprocess(request, names.infer(names.preprocess(request)))
    tags = names.tensors.write(fields)["TAGS"]
    assert tags.shape == (3, 1)
    assert [orjson.loads(document) for document in tags.ravel()] == names.answer({"texts": texts})["results"]
    with pytest.raises(InvalidRequest, match=r"TEXT\[1\]: is not UTF-8"):
        names.tensors.read({"TEXT": np.array([[b"Ada"], [b"\xff"]], object)})


def test_the_details_of_the_card(pos: TokenClassificationPredictor, names: TokenClassificationPredictor) -> None:
    common = {
        "tokenizer": "words",
        "words": len(WORDS),
        "characters": len(CHARACTERS) + 2,
        "max_characters": MAX_CHARACTERS,
        "crf": True,
    }
    assert pos.details == {"kind": "tags", "entities": None} | common
    assert names.details == {"kind": "spans", "entities": ["LOC", "PER"]} | common


def _with_preprocessing(**changes: Any) -> Callable[[Path], Bundle]:
    return lambda folder: write_tagger(folder, kind="spans", **changes)


def _with_file(name: str, content: bytes) -> Callable[[Path], Bundle]:
    return lambda folder: rewrite(write_tagger(folder, kind="spans"), {name: content})


def _with_manifest(**changes: Any) -> Callable[[Path], Bundle]:
    def write(folder: Path) -> Bundle:
        bundle = write_tagger(folder, kind="spans")
        return Bundle(path=bundle.path, manifest=bundle.manifest.model_copy(update=changes))

    return write


_SIZE = len(SPAN_LABELS)
_MISSHAPEN = np.zeros((_SIZE, _SIZE), np.float32)
_INFINITE = np.where(transitions("spans") < 0, -np.inf, 0).astype(np.float32)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_with_preprocessing(tokenizer="letter"), r"manifest.json: preprocessing: tokenizer: Input should be"),
        (_with_preprocessing(colour=1), r"manifest.json: preprocessing: colour: is not a field"),
        (_with_preprocessing(vocabulary="gone.txt"), r"gone.txt is not listed in manifest.json"),
        (_with_manifest(labels=None), r"manifest.json: labels: are missing; the task token-class"),
        (_with_manifest(labels=SPAN_LABELS[:-1]), r"the outputs of .* do not fit .* must be emissions"),
        (_with_manifest(labels=("NOUN", *SPAN_LABELS[1:])), r"manifest.json: labels: of spans they must be 'O' and BI"),
        (_with_file("vocabulary.txt", b"caf\xe9\n"), r"vocabulary.txt: is not UTF-8 \(byte 3\)"),
        (_with_file("vocabulary.txt", b"the\nthe\n"), r"vocabulary.txt: a word is empty or there twice"),
        (_with_file("vocabulary.txt", "".join(f"w{i}\n" for i in range(99)).encode()), r"no row for word 99 or charac"),
        (_with_file("characters.txt", b"x\n"), r"characters.txt: holds a line that is no code point"),
        (_with_file("characters.txt", b"0041\n0041\n"), r"characters.txt: a character is there twice"),
        (_with_file("characters.txt", b"".join(b"%04X\n" % i for i in range(99))), r"has no row for .*character 100"),
        (_with_file("transitions.npy", b"x"), r"transitions.npy: cannot be read as an array"),
        (
            _with_file("transitions.npy", npy(_MISSHAPEN)),
            r"transitions.npy: holds float32 \[9, 9\], it must be .* \[11, 9\]",
        ),
        (_with_file("transitions.npy", npy(_MISSHAPEN.astype("f8"))), r"transitions.npy: holds float64"),
        (_with_file("transitions.npy", npy(_INFINITE)), r"transitions.npy: holds NaN or infinity"),
    ],
)
def test_an_invalid_bundle_is_refused(tmp_path: Path, write: Callable[[Path], Bundle], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load(write(tmp_path))


def test_random_text_is_always_answered(names: TokenClassificationPredictor) -> None:
    random = np.random.default_rng(0)
    alphabet = [
        *"aZ.!?' \t\n\"()@#-/:…",
        "\x00",
        "\u0301",
        "\u200d",
        "😀",
        "\U0001f1e9",
        "ש",
        "\u202e",
        "1",
        "New",
        "Ada",
    ]
    for _ in range(200):
        text = "".join(alphabet[index] for index in random.integers(0, len(alphabet), random.integers(0, 80)))
        try:
            result = tag(names, text)
        except LecternError:  # pragma: no cover
            pytest.fail(f"{text!r} was refused")
        covered = "".join(token["text"] for token in result["tokens"])
        assert covered == "".join(text.split())
        for entity in result["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
