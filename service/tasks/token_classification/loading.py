"""A tagger's bundle, checked: all that it needs fits together before the first request comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service.bundle.files import Bundle, BundleError
from service.bundle.manifest import Datatype
from service.runtime.session import Session
from service.tasks.base import invalid_body
from service.tasks.token_classification.features import (
    CASING,
    CASINGS,
    CHARACTERS,
    EMISSIONS,
    LENGTHS,
    TOKENS,
    WORDS,
    TokenClassificationPreprocessing,
    WordFeatures,
    read_characters,
    read_words,
)
from service.tasks.token_classification.tag_schemes import OUTSIDE, is_span_tag


@dataclass(frozen=True, kw_only=True)
class TaggerParts:
    """What a tagger is made of."""

    session: Session
    preprocessing: TokenClassificationPreprocessing
    features: WordFeatures
    labels: tuple[str, ...]
    """[K]."""
    transitions: NDArray[np.float32] | None
    """[K+2, K]."""


def open_tagger(bundle: Bundle, sessions: Mapping[str, Session]) -> TaggerParts:
    """Read the files of a bundle and hold them against each other.

    Raises:
        BundleError: naming the file and the reason.
    """
    where = f"{bundle.path}/manifest.json"
    try:
        preprocessing = TokenClassificationPreprocessing.model_validate(bundle.manifest.preprocessing)
    except ValidationError as error:
        raise BundleError(f"{where}: preprocessing: {invalid_body(error)}") from error
    labels = bundle.manifest.labels
    if not labels or len(sessions) != 1:
        raise BundleError(f"{where}: token classification needs labels and one graph")
    if preprocessing.kind == "spans" and not (OUTSIDE in labels and all(map(is_span_tag, labels))):
        raise BundleError(f"{where}: labels: of spans they must be 'O' and BIOES tags such as 'B-PER'")
    session = next(iter(sessions.values()))
    _check_tensors(session, len(labels), where)
    features = WordFeatures(
        read_words(bundle.file(preprocessing.vocabulary)),
        _distinct(bundle.file(preprocessing.characters)),
        preprocessing.max_characters,
    )
    transitions = None
    if preprocessing.transitions is not None:
        transitions = _read_transitions(bundle.file(preprocessing.transitions), len(labels))
    _try_last_rows(bundle, session, features)
    return TaggerParts(
        session=session, preprocessing=preprocessing, features=features, labels=labels, transitions=transitions
    )


def _check_tensors(session: Session, labels: int, where: str) -> None:
    """Raise BundleError unless the graph's tensors are those of the task."""
    integers = Datatype.INT32
    wanted = {
        WORDS: (integers, (-1,)),
        CHARACTERS: (integers, (-1, -1)),
        CASING: (integers, (-1,)),
        TOKENS: (integers, (-1, -1)),
        LENGTHS: (integers, (-1,)),
    }
    given = {EMISSIONS: (Datatype.FP32, (-1, -1, labels))}
    graph = session.graph
    for kind, specs, expected in (("inputs", graph.inputs, wanted), ("outputs", graph.outputs, given)):
        if {spec.name: (spec.datatype, spec.shape) for spec in specs} != expected:
            shown = ", ".join(f"{name} {datatype.value} {list(shape)}" for name, (datatype, shape) in expected.items())
            raise BundleError(f"{where}: the graph does not fit the labels and the task: its {kind} must be {shown}")


def _distinct(path: Path) -> list[str]:
    characters = read_characters(path)
    if len(set(characters)) != len(characters):
        raise BundleError(f"{path}: a character is there twice; export the model again")
    return characters


def _read_transitions(path: Path, labels: int) -> NDArray[np.float32]:
    try:
        transitions: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(f"{path}: cannot be read as an array ({error})") from error
    if transitions.shape != (labels + 2, labels) or transitions.dtype != np.float32:
        raise BundleError(
            f"{path}: holds {transitions.dtype} {list(transitions.shape)}, for {labels} labels it must be float32 "
            f"{[labels + 2, labels]}; export the model again"
        )
    if not np.isfinite(transitions).all():
        raise BundleError(f"{path}: holds NaN or infinity; export the model again")
    return transitions


def _try_last_rows(bundle: Bundle, session: Session, features: WordFeatures) -> None:
    """Raise BundleError where the tables in the graph have no row for the last word, character or casing."""
    feeds = {
        WORDS: np.array([features.rows - 1], np.int32),
        CHARACTERS: np.array([[features.character_count - 1]], np.int32),
        CASING: np.array([len(CASINGS) - 1], np.int32),
        TOKENS: np.zeros((1, 1), np.int32),
        LENGTHS: np.ones(1, np.int32),
    }
    try:
        session.run(feeds)
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        first_line = str(error).partition("\n")[0]
        raise BundleError(
            f"{bundle.path}/{session.graph.file}: has no row for word {features.rows - 1} or character "
            f"{features.character_count - 1} of the vocabulary ({first_line}); export the model again"
        ) from error
