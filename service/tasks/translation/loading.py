"""Loading a translator's bundle: its files are read and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from service.bundle.checks import TensorType, read_preprocessing, require_graphs, require_tensors
from service.bundle.files import Bundle, BundleError, first_line
from service.bundle.manifest import Datatype, Graph
from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    ENCODER,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    ON_DEVICE,
    SOURCE,
    STATE,
    STEP,
    TOKENS,
    GraphFunction,
    K,
)
from service.runtime.session import Session, Tensors
from service.tasks.translation.language_detection import Profile
from service.tasks.translation.subwords import END, PLACEHOLDER, Subwords
from service.tasks.translation.text import NO_TRUECASING, InventionGuard, RareWords, TranslationPreprocessing, Truecaser
from service.tasks.translation.text.names import NO_NAME_LIST, NameFinder, NameList

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TranslatorParts:
    """The checked parts of a translator."""

    encoder: Session
    step: Session
    preprocessing: TranslationPreprocessing
    source: Subwords
    target: Subwords
    profile: Profile
    truecaser: Truecaser
    rare_words: RareWords | None
    """None if the model was not trained to copy."""
    attention: bool
    guard: InventionGuard | None
    """Says what is no sentence or is invented; None to translate everything, as when a bundle's samples were made."""

    @property
    def graphs(self) -> tuple[GraphFunction, GraphFunction]:
        """What runs the encoder and the step; on a device with memory of its own, what is fed back stays there."""
        if self.encoder.device is None or self.encoder.device != self.step.device:
            return self.encoder.run, self.step.run
        return (
            partial(self.encoder.run_on_device, keep=ON_DEVICE[ENCODER]),
            partial(self.step.run_on_device, keep=ON_DEVICE[STEP]),
        )


def open_translator(bundle: Bundle, sessions: Mapping[str, Session]) -> TranslatorParts:
    """Read the files of a bundle and check them against each other.

    Raises:
        BundleError: naming the file and the reason.
    """
    preprocessing = read_preprocessing(bundle, TranslationPreprocessing)
    encoder, step = require_graphs(bundle, ENCODER, STEP)
    attention = _check_tensors(bundle, encoder, step)
    source = _read(bundle.file(preprocessing.source_pieces), Subwords)
    joint = preprocessing.target_pieces == preprocessing.source_pieces
    target = source if joint else _read(bundle.file(preprocessing.target_pieces), Subwords)
    truecaser = NO_TRUECASING
    if preprocessing.truecasing:
        truecaser = _read(bundle.file(preprocessing.truecasing), Truecaser.read)
    profile = _read(bundle.file(preprocessing.profile), Profile.read)
    parts = TranslatorParts(
        encoder=sessions[ENCODER],
        step=sessions[STEP],
        preprocessing=preprocessing,
        source=source,
        target=target,
        profile=profile,
        truecaser=truecaser,
        rare_words=_rare_words(bundle, preprocessing, source, truecaser, profile),
        attention=attention,
        guard=InventionGuard(
            preprocessing.source, source, target, truecaser.lowercase_words | frozenset(profile.frequent_words)
        ),
    )
    if parts.profile.language != preprocessing.source:
        raise BundleError(
            f"{bundle.path}/{preprocessing.profile}: is of {parts.profile.language!r}, the source is "
            f"{preprocessing.source!r}; export the model again"
        )
    if preprocessing.uses_placeholders:
        _check_placeholder(bundle, parts)
    _check_embedding_sizes(bundle, parts)
    return parts


def _read(path: Path, read: Callable[[bytes], T]) -> T:
    try:
        return read(path.read_bytes())
    except (ValueError, OSError) as error:
        raise BundleError(f"{path}: {error}; export the model again") from error


def _rare_words(
    bundle: Bundle, preprocessing: TranslationPreprocessing, source: Subwords, truecaser: Truecaser, profile: Profile
) -> RareWords | None:
    if not preprocessing.uses_placeholders:
        return None
    names = _read(bundle.file(preprocessing.names), NameList.read) if preprocessing.names else NO_NAME_LIST
    languages = preprocessing.source, preprocessing.target
    return RareWords(*languages, NameFinder(*languages, source, truecaser, profile.frequent_words, names))


def _check_placeholder(bundle: Bundle, parts: TranslatorParts) -> None:
    """Raise BundleError if a vocabulary contains the placeholder character."""
    files = {parts.preprocessing.source_pieces: parts.source, parts.preprocessing.target_pieces: parts.target}
    for file, subwords in files.items():
        if not subwords.unknown_characters(PLACEHOLDER):
            raise BundleError(
                f"{bundle.path}/{file}: contains U+FFFC, the placeholder for copied text; train the vocabulary on text "
                "without it, or train without --placeholders"
            )


def _check_tensors(bundle: Bundle, encoder: Graph, step: Graph) -> bool:
    """Whether the model has attention.

    Raises:
        BundleError: the graphs' tensors are not those of the task, or do not fit each other.
    """
    sizes = {spec.name: spec.shape[-1] for spec in encoder.outputs if spec.shape}
    attention = MEMORY in sizes
    integers, floats = Datatype.INT32, Datatype.FP32
    source: dict[str, TensorType] = {SOURCE: (integers, (-1, -1)), LENGTHS: (integers, (-1,))}
    state = (floats, (-1, -1, sizes.get(STATE, -1)))
    encoded: dict[str, TensorType] = {STATE: (floats, (-1, sizes.get(STATE, -1)))}
    step_inputs: dict[str, TensorType] = {TOKENS: (integers, (-1, -1)), STATE: state, K: (Datatype.INT64, (1,))}
    step_outputs: dict[str, TensorType] = {
        LOG_PROBS: (floats, (-1, -1, -1)),
        CANDIDATES: (integers, (-1, -1, -1)),
        NEXT_STATE: state,
    }
    if attention:
        memory: dict[str, TensorType] = {name: (floats, (-1, -1, sizes.get(name, -1))) for name in (MEMORY, KEYS)}
        encoded |= memory
        step_inputs |= memory | {LENGTHS: source[LENGTHS]}
        step_outputs[ATTENTION] = (floats, (-1, -1, -1))
    require_tensors(bundle, encoder, inputs=source, outputs=encoded)
    require_tensors(bundle, step, inputs=step_inputs, outputs=step_outputs)
    return attention


def _check_embedding_sizes(bundle: Bundle, parts: TranslatorParts) -> None:
    """Raise BundleError where the graphs' tables do not have a row for each piece of the vocabularies, and no more."""
    source, target = parts.source.size, parts.target.size
    one = np.ones((1, 1), np.int32)
    try:
        encoded = parts.encoder.run({SOURCE: one * (source - 1), LENGTHS: one[0]})
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        raise BundleError(
            f"{bundle.path}/{parts.encoder.graph.file}: has no row for piece {source - 1} of the source "
            f"({first_line(error)}); export the model again"
        ) from error
    feeds: Tensors = {TOKENS: one * (target - 1), STATE: encoded[STATE][:, None]}
    if parts.attention:
        feeds |= {MEMORY: encoded[MEMORY], KEYS: encoded[KEYS], LENGTHS: one[0]}
    try:
        candidates = parts.step.run({**feeds, K: np.array([target], np.int64)})[CANDIDATES]
        last = int(candidates.max(initial=END))
    except Exception as error:
        raise BundleError(
            f"{bundle.path}/{parts.step.graph.file}: has no row for piece {target - 1} of the target "
            f"({first_line(error)}); export the model again"
        ) from error
    if candidates.shape != (1, 1, target) or last != target - 1:
        raise BundleError(
            f"{bundle.path}/{parts.step.graph.file}: does not have the {target} pieces of the target; "
            "export the model again"
        )
