"""Loading a tagger's bundle: its files are read and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import (
    TensorType,
    load_array,
    read_preprocessing,
    require_graphs,
    require_labels,
    require_tensors,
)
from service.bundle.files import Bundle, BundleError, first_line
from service.bundle.manifest import Datatype, Graph
from service.runtime.session import Session, Tensors
from service.tasks.token_classification.emissions import Emissions, FeatureTable, OneGraph, TwoGraphs
from service.tasks.token_classification.features import (
    CASING,
    CASINGS,
    CHARACTERS,
    EMISSIONS,
    FEATURES,
    LENGTHS,
    TOKENS,
    WORDS,
    TokenClassificationPreprocessing,
    WordFeatures,
    read_characters,
    read_words,
)
from service.tasks.token_classification.segmentation import Segment, segment_by_rules
from service.tasks.token_classification.segmentation_graph import SEGMENTER, open_segmenter
from service.tasks.token_classification.tag_schemes import OUTSIDE, is_span_tag

MODEL, WORD_GRAPH = "model", "words"
"""The graph of the tagger, and that of its words if it is in two graphs. Of a single graph the name does not matter."""


@dataclass(frozen=True, kw_only=True)
class TaggerParts:
    """The checked parts of a tagger."""

    emissions: Emissions
    preprocessing: TokenClassificationPreprocessing
    features: WordFeatures
    labels: tuple[str, ...]
    """[K]."""
    transitions: NDArray[np.float32] | None
    """[K+2, K]."""
    segment: Segment
    """Splits texts into sentences of tokens."""


def open_tagger(bundle: Bundle, sessions: Mapping[str, Session]) -> TaggerParts:
    """Read the files of a bundle and check them against each other.

    Raises:
        BundleError: naming the file and the reason.
    """
    preprocessing = read_preprocessing(bundle, TokenClassificationPreprocessing)
    labels = require_labels(bundle)
    graph = _tagger_graph(bundle, preprocessing)
    if preprocessing.kind == "spans" and not (OUTSIDE in labels and all(map(is_span_tag, labels))):
        raise BundleError(
            f"{bundle.path}/manifest.json: labels: of spans they must be 'O' and BIOES tags such as 'B-PER'"
        )
    _require_tensors(bundle, graph, len(labels))
    features = WordFeatures(
        read_words(bundle.file(preprocessing.vocabulary)),
        _distinct(bundle.file(preprocessing.characters)),
        preprocessing.max_characters,
        emoji=preprocessing.emoji,
    )
    transitions = None
    if preprocessing.transitions is not None:
        shape = (len(labels) + 2, len(labels))
        transitions = load_array(bundle.file(preprocessing.transitions), shape, np.float32)
    if WORD_GRAPH in bundle.manifest.graphs:
        words = sessions[WORD_GRAPH]
        table = FeatureTable(words, features)
        _check_embedding_sizes(bundle, words, features, {})
        emissions: Emissions = TwoGraphs(table, sessions[MODEL])
    else:
        session = sessions[MODEL] if preprocessing.segmentation else next(iter(sessions.values()))
        sentence = {TOKENS: np.zeros((1, 1), np.int32), LENGTHS: np.ones(1, np.int32)}
        _check_embedding_sizes(bundle, session, features, sentence)
        emissions = OneGraph(features, session)
    segment: Segment = segment_by_rules
    if preprocessing.segmentation is not None:
        segment = open_segmenter(bundle, sessions[SEGMENTER], preprocessing.segmentation).segment
    return TaggerParts(
        emissions=emissions,
        preprocessing=preprocessing,
        features=features,
        labels=labels,
        transitions=transitions,
        segment=segment,
    )


def _distinct(path: Path) -> list[str]:
    characters = read_characters(path)
    if len(set(characters)) != len(characters):
        raise BundleError(f"{path}: a character is there twice; export the model again")
    return characters


def _tagger_graph(bundle: Bundle, preprocessing: TokenClassificationPreprocessing) -> Graph:
    """The graph that has the emissions."""
    names = [WORD_GRAPH] if WORD_GRAPH in bundle.manifest.graphs else []
    if preprocessing.segmentation:
        names.append(SEGMENTER)
    return require_graphs(bundle, *([MODEL, *names] if names else []))[0]


def _require_tensors(bundle: Bundle, graph: Graph, labels: int) -> None:
    """Check the tensors of the tagger's one or two graphs."""
    integers = Datatype.INT32
    words: dict[str, TensorType] = {
        WORDS: (integers, (-1,)),
        CHARACTERS: (integers, (-1, -1)),
        CASING: (integers, (-1,)),
    }
    lengths: dict[str, TensorType] = {LENGTHS: (integers, (-1,))}
    outputs: dict[str, TensorType] = {EMISSIONS: (Datatype.FP32, (-1, -1, labels))}
    word_graph = bundle.manifest.graphs.get(WORD_GRAPH)
    if word_graph is None:
        require_tensors(bundle, graph, inputs=words | {TOKENS: (integers, (-1, -1))} | lengths, outputs=outputs)
        return
    size = next((spec.shape[-1] for spec in word_graph.outputs if spec.shape), -1)
    require_tensors(bundle, word_graph, inputs=words, outputs={FEATURES: (Datatype.UINT8, (-1, size))})
    inputs: dict[str, TensorType] = {FEATURES: (Datatype.UINT8, (-1, -1, size))}
    require_tensors(bundle, graph, inputs=inputs | lengths, outputs=outputs)


def _check_embedding_sizes(bundle: Bundle, session: Session, features: WordFeatures, others: Tensors) -> None:
    """Raise BundleError where the tables in the graph have no row for the last word, character or casing.

    Args:
        bundle: for the message.
        session: the graph that has the tables.
        features: the vocabularies.
        others: its inputs beside the word.
    """
    feeds = {
        WORDS: np.array([features.rows - 1], np.int32),
        CHARACTERS: np.array([[features.character_count - 1]], np.int32),
        CASING: np.array([len(CASINGS) - 1], np.int32),
        **others,
    }
    try:
        session.run(feeds)
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        raise BundleError(
            f"{bundle.path}/{session.graph.file}: has no row for word {features.rows - 1} or character "
            f"{features.character_count - 1} of the vocabulary ({first_line(error)}); export the model again"
        ) from error
