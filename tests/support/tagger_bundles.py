"""Tiny taggers, built without torch: a lexicon decides; an LSTM, characters and casing contribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray
from onnx import TensorProto, helper

from service.bundle.files import Bundle, write_bundle
from service.bundle.manifest import Comparison, Graph, Manifest, Metric, Task, TensorSpec
from service.tasks.token_classification.contractions import serialize_contractions
from service.tasks.token_classification.crf import FORBIDDEN
from service.tasks.token_classification.decoding import Tagging
from service.tasks.token_classification.features import (
    CASINGS,
    EMISSIONS,
    Kind,
    WordFeatures,
    serialize_characters,
    serialize_words,
)
from service.tasks.token_classification.segmentation_characters import END_OF_TOKEN, INSIDE, CharacterIds
from service.tasks.token_classification.tag_schemes import allowed_transitions
from service.text import word_spans
from tests.support.files import npy
from tests.support.onnx_files import PROVENANCE, onnx_file

LABELS = ("NOUN", "VERB", "PROPN", "PUNCT", "DET", "NUM", "ADP")
SPAN_LABELS = ("O", *(f"{prefix}-{kind}" for kind in ("LOC", "PER") for prefix in "BIES"))
LEXICON = {
    "the": "DET",
    "a": "DET",
    "cat": "NOUN",
    "dog": "NOUN",
    "mat": "NOUN",
    "café": "NOUN",
    "sat": "VERB",
    "wrote": "VERB",
    "loves": "VERB",
    "on": "ADP",
    "in": "ADP",
    "to": "ADP",
    "Ada": "PER",
    "Lovelace": "PER",
    "Babbage": "PER",
    "Zoë": "PER",
    "Paris": "LOC",
    "New": "LOC",
    "York": "LOC",
    ".": "PUNCT",
    "!": "PUNCT",
    "?": "PUNCT",
    ",": "PUNCT",
}
"""Words with their part of speech, or the type of entity (whose part of speech is PROPN).

Unknown words are nouns and no entities, but proper nouns in title case; numbers are NUM.
"""
WORDS = tuple(LEXICON)
CHARACTERS = tuple("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?éë")
MAX_CHARACTERS = 8

_LOGIT = 6.0
_HIDDEN = 3
_CHARACTER_DIMENSIONS = 4


def labels_of(kind: Kind) -> tuple[str, ...]:
    """The labels of a tiny tagger."""
    return LABELS if kind == "tags" else SPAN_LABELS


def lexicon_table(kind: Kind) -> NDArray[np.float32]:
    """The logits of each word, [words + 1, K]; row 0 is the unknown word's."""
    labels = labels_of(kind)
    table = np.zeros((len(WORDS) + 1, len(labels)), np.float32)
    table[0, 0] = _LOGIT / 2
    for row, tag in enumerate(LEXICON.values(), start=1):
        if kind == "tags":
            table[row, labels.index("PROPN" if tag in ("PER", "LOC") else tag)] = _LOGIT
        elif tag in ("PER", "LOC"):
            table[row] = [_LOGIT * (label[2:] == tag) for label in labels]
        else:
            table[row, 0] = _LOGIT
    return table


def transitions(kind: Kind) -> NDArray[np.float32]:
    """Transitions [K+2, K]: those that are not allowed are forbidden; spans prefer to continue."""
    labels = labels_of(kind)
    scores = np.zeros((len(labels) + 2, len(labels)), np.float32)
    scores[: len(labels)] += np.array([[1.0 * (label[:1] in "BI") for label in labels]], np.float32).T
    return np.where(allowed_transitions(labels), scores, np.float32(FORBIDDEN))


@lru_cache
def tagger_graph(kind: Kind) -> bytes:
    """ONNX of a tiny network, as `service.tasks.token_classification.features` describes its tensors."""
    size = len(labels_of(kind))
    random = np.random.default_rng(7)

    def weights(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    letters = weights(len(CHARACTERS) + 2, _CHARACTER_DIMENSIONS)
    letters[0] = 0  # padding
    casing = np.zeros((len(CASINGS), size), np.float32)
    if kind == "tags":
        casing[CASINGS.index("title"), LABELS.index("PROPN")] = _LOGIT * 0.6
        casing[CASINGS.index("number"), LABELS.index("NUM")] = _LOGIT
    constants: dict[str, NDArray[Any]] = {
        "lexicon": lexicon_table(kind),
        "letters": letters,
        "cases": casing,
        "one": np.array([1], np.int64),
        "by_step": np.array([0, 0, 2 * _HIDDEN], np.int64),
        "W": weights(2, 4 * _HIDDEN, _CHARACTER_DIMENSIONS + size),
        "R": weights(2, 4 * _HIDDEN, _HIDDEN),
        "B": weights(2, 8 * _HIDDEN),
        "context": weights(2 * _HIDDEN, size),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["lexicon", "words"], ["word_UK"]),
        node("Gather", ["cases", "casing"], ["casing_UK"]),
        node("Add", ["word_UK", "casing_UK"], ["logits_UK"]),
        node("Gather", ["letters", "characters"], ["characters_UCD"]),
        node("ReduceSum", ["characters_UCD", "one"], ["characters_UD"], keepdims=0),
        node("Concat", ["logits_UK", "characters_UD"], ["features_UF"], axis=1),
        node("Transpose", ["tokens"], ["tokens_TB"], perm=[1, 0]),
        node("Gather", ["features_UF", "tokens_TB"], ["features_TBF"]),
        node(
            "LSTM", ["features_TBF", "W", "R", "B", "lengths"], ["both"], direction="bidirectional", hidden_size=_HIDDEN
        ),
        node("Transpose", ["both"], ["states_TB2H"], perm=[0, 2, 1, 3]),
        node("Reshape", ["states_TB2H", "by_step"], ["states"]),
        node("MatMul", ["states", "context"], ["context_TBK"]),
        node("Gather", ["logits_UK", "tokens_TB"], ["logits_TBK"]),
        node("Add", ["logits_TBK", "context_TBK"], ["emissions_TBK"]),
        node("Transpose", ["emissions_TBK"], ["emissions"], perm=[1, 0, 2]),
    ]
    axes = {"words": ["U"], "characters": ["U", "C"], "casing": ["U"], "tokens": ["B", "T"], "lengths": ["B"]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name, shape in axes.items()]
    outputs = [helper.make_tensor_value_info("emissions", TensorProto.FLOAT, ["B", "T", size])]
    return onnx_file("tagger", nodes, inputs, outputs, constants)


def tagger_spec(kind: Kind) -> Graph:
    """The tensors of `tagger_graph` for the manifest."""
    shapes = {"words": (-1,), "characters": (-1, -1), "casing": (-1,), "tokens": (-1, -1), "lengths": (-1,)}
    return Graph(
        file="model.onnx",
        inputs=tuple(TensorSpec(name=name, datatype="INT32", shape=shape) for name, shape in shapes.items()),
        outputs=(TensorSpec(name="emissions", datatype="FP32", shape=(-1, -1, len(labels_of(kind)))),),
    )


SEGMENTER_CHARACTERS = " .!?'ud"


@lru_cache
def segmenter_graph() -> bytes:
    """ONNX of a tiny segmenter: tokens end before and after `.!?`, which end sentences, and after `'`; `du` is two."""
    ids = CharacterIds(SEGMENTER_CHARACTERS)
    this, following = np.zeros((ids.rows, 4), np.float32), np.zeros((ids.rows, 4), np.float32)
    this[:, INSIDE] = 1
    for character in ".!?":
        this[ids[character]] = [0, 0, 2, -1]
        following[ids[character], END_OF_TOKEN] = 2
    this[ids["'"], END_OF_TOKEN] = 3
    this[:, 3] = -1
    this[ids["u"], 3] = 1
    node = helper.make_node
    constants: dict[str, NDArray[Any]] = {
        "this": this,
        "following": following,
        "after": np.array([0, 0, 0, 1], np.int64),
        "zero": np.array(0, np.int32),
        "one": np.array([1], np.int64),
        "end": np.array([np.iinfo(np.int64).max], np.int64),
        "start": np.array([0], np.int64),
        "labels": np.array([3], np.int64),
        "axis": np.array([2], np.int64),
    }
    nodes = [
        node("Pad", ["characters", "after", "zero"], ["padded"]),
        node("Slice", ["padded", "one", "end", "one"], ["shifted"]),
        node("Gather", ["this", "characters"], ["this_scores"]),
        node("Gather", ["following", "shifted"], ["following_scores"]),
        node("Add", ["this_scores", "following_scores"], ["scores"]),
        node("Slice", ["scores", "start", "labels", "axis"], ["boundaries"]),
        node("Slice", ["scores", "labels", "end", "axis"], ["last"]),
        node("Squeeze", ["last", "axis"], ["multiword"]),
    ]
    inputs = [
        helper.make_tensor_value_info("characters", TensorProto.INT32, ["B", "T"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boundaries", TensorProto.FLOAT, ["B", "T", 3]),
        helper.make_tensor_value_info("multiword", TensorProto.FLOAT, ["B", "T"]),
    ]
    return onnx_file("segmenter", nodes, inputs, outputs, constants)


def segmenter_spec() -> Graph:
    """The tensors of `segmenter_graph` for the manifest."""
    return Graph(
        file="segmenter.onnx",
        inputs=(
            TensorSpec(name="characters", datatype="INT32", shape=(-1, -1)),
            TensorSpec(name="lengths", datatype="INT32", shape=(-1,)),
        ),
        outputs=(
            TensorSpec(name="boundaries", datatype="FP32", shape=(-1, -1, 3)),
            TensorSpec(name="multiword", datatype="FP32", shape=(-1, -1)),
        ),
    )


def write_tagger(
    repository: Path,
    name: str = "tagger",
    *,
    kind: Kind = "tags",
    crf: bool = True,
    contractions: Mapping[str, tuple[str, ...]] | None = None,
    **preprocessing: Any,
) -> Bundle:
    """Write the next version of a tiny tagger into `repository`.

    Args:
        repository: the model repository.
        name: the model's name.
        kind: parts of speech, or entities.
        crf: whether there are transitions.
        contractions: the words of multiword tokens; not None: with a segmenter, and without samples of texts.
        preprocessing: overrides of the manifest's preprocessing.
    """
    files = {
        "model.onnx": tagger_graph(kind),
        "vocabulary.txt": serialize_words(WORDS),
        "characters.txt": serialize_characters(CHARACTERS),
        "MODEL_CARD.md": b"# Tagger\n",
    }
    if crf:
        files["transitions.npy"] = npy(transitions(kind))
    else:
        preprocessing = {"transitions": None} | preprocessing
    files["samples.json"] = _samples(kind, crf, with_texts=contractions is None)
    graphs = {"model": tagger_spec(kind)}
    if contractions is not None:
        graphs["segmenter"] = segmenter_spec()
        files |= {"segmenter.onnx": segmenter_graph(), "contractions.txt": serialize_contractions(contractions)}
        segmentation = {"characters": SEGMENTER_CHARACTERS, "contractions": "contractions.txt"}
        preprocessing = {"tokenizer": "learned", "segmentation": segmentation} | preprocessing
    manifest = Manifest(
        name=name,
        version=1,
        task=Task.TOKEN_CLASSIFICATION,
        description="Tags of a few words",
        graphs=graphs,
        labels=labels_of(kind),
        preprocessing={"kind": kind, "tokenizer": "words", "max_characters": MAX_CHARACTERS} | preprocessing,
        metrics=(Metric(name="accuracy", value=100, unit="%", data="one sentence"),),
        provenance=PROVENANCE,
        comparison=Comparison(kind="scores", tolerance=1e-3),
    )
    return write_bundle(repository, manifest, files)


def answer_alone(
    kind: Kind, crf: bool, graph: bytes, text: str, sentences: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """The answer for a text with known sentences, each of them run alone."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    features = WordFeatures(WORDS, CHARACTERS, MAX_CHARACTERS)
    tagging = Tagging(labels_of(kind), kind, transitions(kind) if crf else None)
    offsets, decoded = [], []
    for first, last in sentences:
        offsets.append([(start, end) for start, end in word_spans(text) if first <= start and end <= last])
        batch = features.batch([[text[start:end] for start, end in offsets[-1]]])
        emissions = session.run([EMISSIONS], batch.feeds())[0]
        decoded += tagging.decode(emissions, batch.lengths)
    return tagging.result(text, offsets, decoded)


@lru_cache
def _samples(kind: Kind, crf: bool, with_texts: bool = True) -> bytes:
    graph = tagger_graph(kind)
    text, tokens = "Ada sat on the mat. Zoë loves New York!", ["the", "cat", "sat", "."]
    sentences = [(0, 19), (20, len(text))]
    samples = [
        {"request": {"text": text}, "results": [answer_alone(kind, crf, graph, text, sentences)]},
        {
            "request": {"tokens": [tokens, []]},
            "results": [
                answer_alone(kind, crf, graph, " ".join(tokens), [(0, 17)]),
                {"sentences": [], "tokens": []} | ({"entities": []} if kind == "spans" else {}),
            ],
        },
    ]
    if not with_texts:
        samples = samples[1:]
        for result in samples[0]["results"]:
            result["multiword"] = []
    return orjson.dumps({"samples": samples})
