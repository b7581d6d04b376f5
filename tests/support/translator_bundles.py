"""Tiny translators, built without torch: a dictionary translates word by word, and other words are copied."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
import sentencepiece
from numpy.typing import NDArray
from onnx import TensorProto, helper

from service.bundle.files import Bundle, write_bundle
from service.bundle.manifest import Comparison, Graph, Manifest, Metric, Task, TensorSpec
from tests.support.onnx_files import PROVENANCE, onnx_file
from training.seq2seq.data.language_profile import language_profile

PAD, UNKNOWN, BEGIN, END = range(4)
DICTIONARY = {
    "Hello": "Hallo",
    "world": "Welt",
    "Good": "Guten",
    "good": "gut",
    "morning": "Morgen",
    "evening": "Abend",
    "The": "Der",
    "the": "der",
    "dog": "Hund",
    "cat": "Katze",
    "house": "Haus",
    "sleeps": "schläft",
    "drinks": "trinkt",
    "sees": "sieht",
    "water": "Wasser",
    "milk": "Milch",
    "I": "ich",
    "you": "du",
    "love": "liebe",
    "am": "bin",
    "tired": "müde",
    "big": "groß",
    "small": "klein",
    "Thanks": "Danke",
    "Yes": "Ja",
    "No": "Nein",
    "and": "und",
    "not": "nicht",
    "is": "ist",
}
"""English words and their German translations, each a single piece. Other words are copied letter by letter."""
SYNONYMS = {"house": "Heim", "big": "riesig", "Hello": "Servus", "Haus": "home", "groß": "huge", "Hallo": "Hi"}
"""The second best translation of a word; of other words it is the word itself."""
CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüßÄÖÜé0123456789.,!?;:'\"-()<>/&"
SENTENCES = {
    "en": ("The dog sleeps and the cat drinks milk.", "I am tired, and you are not.", "What is this? It is my house!"),
    "de": (
        "Der Hund schläft, und die Katze trinkt Milch.",
        "Ich bin müde, du bist es nicht.",
        "Was ist das? Mein Haus!",
    ),
}
"""The texts of the language profiles."""

BEST, EARLY_END = 12.0, -20.0
"""Logits of the best token, and of END before the sentence is over."""
SYNONYM, COPIED_WORD, OTHER = (8.0, 7.0), (6.5, 4.5), (3.0, 1.0)
"""Logits of the second best token, from the first to the last word of a kind; of all other tokens 0.

No two source tokens have the same one. Otherwise hypotheses that differ from the best in one token would have equal
scores, and rounding, which depends on the CPU, would decide which of them are among the n best.
"""
SEEN = 48
"""Source tokens that fit into the state of a model without attention; those after them are not translated."""

_SHARPNESS = 40.0
_NEVER = -1e9
_SIZE = 320


@lru_cache
def pieces_model() -> bytes:
    """A SentencePiece model: every word of `DICTIONARY` and of `SYNONYMS` is a piece, and so is every character."""
    words = sorted({*DICTIONARY, *DICTIONARY.values(), *SYNONYMS.values()})
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*words * 50, *CHARACTERS]),
        model_writer=stream,
        model_type="bpe",
        vocab_size=_SIZE,
        character_coverage=1.0,
        normalization_rule_name="identity",
        pad_id=PAD,
        unk_id=UNKNOWN,
        bos_id=BEGIN,
        eos_id=END,
        num_threads=1,
        minloglevel=2,
    )
    return stream.getvalue()


@lru_cache
def pieces() -> sentencepiece.SentencePieceProcessor:
    """The SentencePiece processor of `pieces_model`."""
    return sentencepiece.SentencePieceProcessor(model_proto=pieces_model())


def piece_id(word: str) -> int:
    """The id of a word of the dictionary."""
    result: list[int] = pieces().encode(word)
    assert len(result) == 1, (word, pieces().encode(word, out_type=str))
    return result[0]


@lru_cache
def translations(source: str) -> NDArray[np.float32]:
    """Logits of the target pieces for each source piece, [V, V]."""
    size = pieces().get_piece_size()
    words = DICTIONARY if source == "en" else {german: english for english, german in DICTIONARY.items()}
    best = {piece_id(word): piece_id(translation) for word, translation in words.items()}
    synonyms = {piece_id(word): piece_id(SYNONYMS[word]) for word in words if word in SYNONYMS}
    copied = {id_: id_ for id_ in best if id_ not in synonyms}
    others = {id_: id_ + 1 for id_ in range(END + 1, size - 1) if id_ not in best}
    table = np.zeros((size, size), np.float32)
    table[:, END] = EARLY_END
    for second, (first_logit, last_logit) in ((synonyms, SYNONYM), (copied, COPIED_WORD), (others, OTHER)):
        # The square root keeps sums of two of them apart as well.
        steps = np.sqrt(np.arange(len(second)) / max(1, len(second) - 1))
        table[list(second), list(second.values())] = first_logit + (last_logit - first_logit) * steps
    ids = np.arange(size)
    table[ids, [best.get(id_, id_) for id_ in ids.tolist()]] = BEST
    table[[PAD, END]] = 0
    table[[PAD, END], END] = BEST
    table.flags.writeable = False
    return table


@lru_cache
def encoder_graph(source: str, *, attention: bool = True) -> bytes:
    """ONNX of the encoder: `memory` holds the logits of each source position, `keys` its index."""
    node = helper.make_node
    constants: dict[str, NDArray[Any]] = {"zero": np.zeros(1, np.float32), "last": np.array([-1], np.int64)}
    if attention:
        constants |= {"table": translations(source), "ones": np.ones(1, np.float32), "axis": np.array(1, np.int64)}
        nodes = [
            node("Gather", ["table", "source"], ["memory"]),
            node("Cast", ["source"], ["ids"], to=TensorProto.FLOAT),
            node("Mul", ["ids", "zero"], ["nothing"]),
            node("Add", ["nothing", "ones"], ["counted"]),
            node("CumSum", ["counted", "axis"], ["positions"], exclusive=1),
            node("Unsqueeze", ["positions", "last"], ["keys"]),
            node("ReduceSum", ["nothing", "last"], ["state"], keepdims=1),
        ]
        outputs = {"memory": ("N", "S", pieces().get_piece_size()), "keys": ("N", "S", 1), "state": ("N", 1)}
    else:
        constants |= {
            "pads": np.array([0, 1, 0, SEEN], np.int64),
            "first": np.array([0], np.int64),
            "width": np.array([SEEN + 1], np.int64),
            "columns": np.array([1], np.int64),
        }
        nodes = [
            node("Cast", ["source"], ["ids"], to=TensorProto.FLOAT),
            node("Pad", ["ids", "pads"], ["padded"]),
            node("Slice", ["padded", "first", "width", "columns"], ["state"]),
        ]
        outputs = {"state": ("N", SEEN + 1)}
    return _graph("encoder", nodes, {"source": ("N", "S"), "lengths": ("N",)}, outputs, constants)


@lru_cache
def step_graph(source: str, *, attention: bool = True, endless: bool = False) -> bytes:
    """ONNX of the step: the first number of the state is the source position that is attended to and translated.

    Args:
        source: language.
        attention: whether there is attention to `memory`; otherwise the state itself holds the source.
        endless: whether the position never advances, so that the first word is repeated without end.
    """
    node = helper.make_node
    size = pieces().get_piece_size()
    constants: dict[str, NDArray[Any]] = {
        "one": np.ones(1, np.float32),
        "zero": np.zeros(1, np.float32),
        "along": np.array(2, np.int64),
        "pace": np.array([0.0 if endless else 1.0], np.float32),
        "last": np.array([-1], np.int64),
        "sharpness": np.array([-_SHARPNESS], np.float32),
        "never": np.array([_NEVER], np.float32),
        "split": np.array([1, SEEN], np.int64),
        "one_and_two": np.array([1, 2], np.int64),
        "size": np.array([size], np.int64),
        "furthest": np.array([SEEN - 1], np.float32),
        "table": translations(source),
        "mask": np.array([-np.inf] * END + [0] * (size - END), np.float32),
    }
    nodes = _step_with_attention(node) if attention else _step_without_attention(node)
    nodes += [
        node("Add", ["logits", "mask"], ["possible"]),
        node("LogSoftmax", ["possible"], ["log_probs_NWV"], axis=-1),
        node("Min", ["k", "size"], ["at_most"]),
        node("TopK", ["log_probs_NWV", "at_most"], ["log_probs", "best"], axis=-1),
        node("Cast", ["best"], ["candidates"], to=TensorProto.INT32),
    ]
    width = 1 if attention else SEEN + 1
    inputs: dict[str, tuple[Any, ...]] = {"tokens": ("N", "W"), "state": ("N", "W", width), "k": (1,)}
    outputs: dict[str, tuple[Any, ...]] = {
        "log_probs": ("N", "W", "K"),
        "candidates": ("N", "W", "K"),
        "next_state": ("N", "W", width),
    }
    if attention:
        inputs |= {"lengths": ("N",), "memory": ("N", "S", size), "keys": ("N", "S", 1)}
        outputs["attention"] = ("N", "W", "S")
    return _graph("step", nodes, inputs, outputs, constants)


def _step_with_attention(node: Any) -> list[Any]:
    return [
        # A position behind END is END's.
        node("Cast", ["lengths"], ["length_N"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["length_N", "one_and_two"], ["length_N11"]),
        node("Sub", ["length_N11", "one"], ["end_N11"]),
        node("Min", ["state", "end_N11"], ["position_clipped_NW1"]),
        node("Add", ["state", "pace"], ["next_state"]),
        node("Transpose", ["keys"], ["keys_N1S"], perm=[0, 2, 1]),
        node("Sub", ["keys_N1S", "position_clipped_NW1"], ["distance"]),
        node("Mul", ["distance", "distance"], ["squared"]),
        node("Mul", ["squared", "sharpness"], ["near"]),
        # Counted, not read from the keys: beyond the length a key may hold anything.
        node("Mul", ["keys_N1S", "zero"], ["nothing"]),
        node("Add", ["nothing", "one"], ["counted"]),
        node("CumSum", ["counted", "along"], ["positions_N1S"], exclusive=1),
        node("Greater", ["positions_N1S", "end_N11"], ["beyond"]),
        node("Where", ["beyond", "never", "near"], ["scores"]),
        node("Softmax", ["scores"], ["attention"], axis=-1),
        node("MatMul", ["attention", "memory"], ["logits"]),
    ]


def _step_without_attention(node: Any) -> list[Any]:
    return [
        node("Split", ["state", "split"], ["position_NW1", "source_NWS"], axis=-1),
        node("Min", ["position_NW1", "furthest"], ["position_clipped_NW1"]),  # behind END is padding, which means END
        node("Add", ["position_NW1", "pace"], ["moved"]),
        node("Concat", ["moved", "source_NWS"], ["next_state"], axis=-1),
        node("Cast", ["position_clipped_NW1"], ["index"], to=TensorProto.INT64),
        node("GatherElements", ["source_NWS", "index"], ["read_NW1"], axis=-1),
        node("Cast", ["read_NW1"], ["id_NW1"], to=TensorProto.INT64),
        node("Squeeze", ["id_NW1", "last"], ["id_NW"]),
        node("Gather", ["table", "id_NW"], ["logits"]),
    ]


_INTEGERS = {"source": "INT32", "lengths": "INT32", "tokens": "INT32", "candidates": "INT32", "k": "INT64"}
_ELEMENTS = {"INT32": TensorProto.INT32, "INT64": TensorProto.INT64, "FP32": TensorProto.FLOAT}


def _graph(
    name: str,
    nodes: Sequence[Any],
    inputs: dict[str, tuple[Any, ...]],
    outputs: dict[str, tuple[Any, ...]],
    constants: dict[str, NDArray[Any]],
) -> bytes:
    def described(shapes: dict[str, tuple[Any, ...]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, _ELEMENTS[_INTEGERS.get(name, "FP32")], shape)
            for name, shape in shapes.items()
        ]

    used = {name for node in nodes for name in node.input}
    constants = {key: array for key, array in constants.items() if key in used}
    return onnx_file(name, nodes, described(inputs), described(outputs), constants)


@lru_cache
def graph_spec(file: str, graph: bytes) -> Graph:
    """The tensors of a graph, as the manifest has them."""
    result = onnx.load_from_string(graph).graph

    def specs(values: Any) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(
                name=value.name,
                datatype=_INTEGERS.get(value.name, "FP32"),
                shape=tuple(
                    size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim
                ),
            )
            for value in values
        )

    return Graph(file=file, inputs=specs(result.input), outputs=specs(result.output))


def write_translator(
    repository: Path,
    name: str | None = None,
    *,
    source: str = "en",
    target: str = "de",
    attention: bool = True,
    endless: bool = False,
    **preprocessing: Any,
) -> Bundle:
    """Write the next version of a tiny translator into a model repository.

    Args:
        repository: its path.
        name: of the model; default: "translate-en-de".
        source: "en" or "de".
        target: the other language.
        attention: whether the graphs have `memory`, `keys` and `attention`.
        endless: whether the first word is repeated without end; then there are no samples.
        preprocessing: other values for the manifest's `preprocessing`.
    """
    graphs = {
        "encoder": encoder_graph(source, attention=attention),
        "step": step_graph(source, attention=attention, endless=endless),
    }
    files = {f"{graph}.onnx": content for graph, content in graphs.items()} | {
        "pieces.model": pieces_model(),
        "language.json": profile(source),
        "MODEL_CARD.md": b"# Translator\n",
        "samples.json": orjson.dumps({"samples": [] if endless else _samples(source, target)}),
    }
    manifest = Manifest(
        name=name or f"translate-{source}-{target}",
        version=1,
        task=Task.TRANSLATION,
        description=f"A few words from {source} to {target}",
        graphs={graph: graph_spec(f"{graph}.onnx", content) for graph, content in graphs.items()},
        preprocessing={
            "source": source,
            "target": target,
            "source_pieces": "pieces.model",
            "target_pieces": "pieces.model",
            "profile": "language.json",
            "max_source_tokens": 40,
            "length_penalty": 1.0,
            "coverage_penalty": 0.0,
            "beam_size": 5,
            "max_length_factor": 2.0,
            "max_length_extra": 10,
        }
        | preprocessing,
        metrics=(Metric(name="BLEU", value=100, data="one sentence"),),
        provenance=PROVENANCE,
        comparison=Comparison(kind="text", tolerance=1e-3),
    )
    return write_bundle(repository, manifest, files)


@lru_cache
def profile(language: str) -> bytes:
    """The profile of a language, made from `SENTENCES` and the dictionary."""
    words = DICTIONARY.values() if language == "de" else DICTIONARY
    return language_profile(language, [*SENTENCES[language], *words]).write()


def translated(sentence: str, source: str = "en") -> str:
    """The best translation of one sentence."""
    table = translations(source)
    result: str = pieces().decode([int(table[number].argmax()) for number in pieces().encode(sentence)])
    return result


def score(sentence: str, source: str = "en") -> float:
    """The mean log-probability of its best translation's tokens, END included."""
    table = translations(source).astype(np.float64)
    rows = table[[*pieces().encode(sentence), END]]
    return math.fsum((rows.max(1) - np.log(np.exp(rows).sum(1))).tolist()) / len(rows)


def _samples(source: str, target: str) -> list[dict[str, Any]]:
    texts = ["The dog sleeps.", "Hello world!"] if source == "en" else ["Der Hund schläft.", "Hallo Welt!"]
    answers = [
        {"text": translated(text, source), "score": round(score(text, source), 6), "alternatives": []} for text in texts
    ]
    return [
        {"request": {"source": source, "target": target, "text": texts[0]}, "results": answers[:1]},
        {"request": {"source": source, "target": target, "texts": texts}, "results": answers},
    ]
