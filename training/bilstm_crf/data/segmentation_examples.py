"""Training examples of the segmenter: pieces of text, each character with its label."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.tasks.token_classification.segmentation_characters import (
    END_OF_SENTENCE,
    END_OF_TOKEN,
    CharacterIds,
    character_class,
    paragraphs,
)
from training.bilstm_crf.data.dataset import RawSentence

UNLABELED = -100
"""The label of white space and of padding: the `ignore_index` of `cross_entropy`."""
_MIN_COUNT = 3
"""Characters that are rarer are read as their class."""
_LENGTHS = (0, 100, 200, 300)
"""A piece has whole sentences until it is at least as long; 0: a single sentence."""
_MAX_LENGTH = 400
_CLASS_RATE = 0.005
"""Characters that are read as their class, so that the classes are learned."""
_POOL_BATCHES = 20
_TIGHT = frozenset(',;:!?()[]\u00ab\u00bb\u201c\u201d\u201e"')
"""Punctuation whose neighboring spaces are left out at times: treebanks of edited text always have them."""
_TIGHT_SENTENCES, _TIGHT_SPACES = 0.06, 0.5
"""Sentences where such spaces are left out, and the part of the spaces there."""


@dataclass(frozen=True, slots=True, eq=False)
class LabeledText:
    """Characters with their labels, [T] each."""

    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    """The row of each character's class."""
    labels: NDArray[np.int64]
    multiword: NDArray[np.float32]
    """1 where a multiword token ends."""
    removable: NDArray[np.bool_]
    """Spaces at punctuation, which other writers leave out."""


_ARRAYS = tuple(field.name for field in fields(LabeledText))


def known_characters(sentences: Sequence[RawSentence]) -> str:
    """The characters of the training text that are frequent enough to be learned, and the space."""
    counts = Counter(
        character for sentence in sentences for found in paragraphs(sentence.text) for character in found.characters
    )
    return "".join(sorted({" "} | {character for character, count in counts.items() if count >= _MIN_COUNT}))


def label_sentence(sentence: RawSentence, ids: CharacterIds) -> LabeledText:
    """The characters of a sentence as serving reads them, with the treebank's labels."""
    parts = list(paragraphs(sentence.text))
    characters = " ".join(part.characters for part in parts)
    ends: list[int] = []
    for number, part in enumerate(parts):
        ends += ([-1] if number else []) + part.ends
    at_end = {token.end: bool(token.words) for token in sentence.tokens}
    labels = np.array([END_OF_TOKEN if end in at_end else 0 for end in ends], np.int64)
    labels[np.array([character == " " for character in characters], bool)] = UNLABELED
    labels[-1] = END_OF_SENTENCE
    return LabeledText(
        ids=np.fromiter(map(ids.__getitem__, characters), np.int64),
        classes=np.fromiter(map(character_class, characters), np.int64),
        labels=labels,
        multiword=np.array([at_end.get(end, False) for end in ends], np.float32),
        removable=np.array(
            [
                character == " " and not _TIGHT.isdisjoint((characters[index - 1], characters[index + 1]))
                for index, character in enumerate(characters)
            ],
            np.bool_,
        ),
    )


def pieces(
    sentences: Sequence[RawSentence], labeled: Sequence[LabeledText], space: int, random: np.random.Generator, *,
    shuffled: bool,
) -> Iterator[LabeledText]:  # fmt: skip
    """The training text once, in pieces of one or several sentences.

    Args:
        sentences: the sentences.
        labeled: their characters and labels.
        space: the row of the space.
        random: draws lengths and order.
        shuffled: whether sentences that did not follow each other are put together.
    """
    between = (np.array([space]), np.array([space]), np.array([UNLABELED]), np.zeros(1, np.float32), np.zeros(1, bool))
    gap = LabeledText(*between)
    order = random.permutation(len(labeled)) if shuffled else np.arange(len(labeled))
    parts: list[LabeledText] = []
    length, wanted = 0, int(random.choice(_LENGTHS))
    for index in order.tolist():
        if parts and (length >= wanted or (not shuffled and sentences[index].starts_paragraph)):
            yield from _limited(_join(parts))
            parts, length, wanted = [], 0, int(random.choice(_LENGTHS))
        if parts and (shuffled or sentences[index - 1].space_after):
            parts.append(gap)
        parts.append(_tightened(labeled[index], random))
        length += len(labeled[index].ids)
    if parts:
        yield from _limited(_join(parts))


def batches(texts: Sequence[LabeledText], size: int, random: np.random.Generator) -> list[list[LabeledText]]:
    """The texts in batches of similar length, in random order."""
    shuffled = random.permutation(len(texts)).tolist()
    result = []
    for start in range(0, len(shuffled), size * _POOL_BATCHES):
        pool = sorted(shuffled[start : start + size * _POOL_BATCHES], key=lambda index: len(texts[index].ids))
        result += [[texts[index] for index in pool[first : first + size]] for first in range(0, len(pool), size)]
    return [result[index] for index in random.permutation(len(result)).tolist()]


def tensors(batch: Sequence[LabeledText], random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Characters, labels and multiword ends [T, B], and lengths [B]."""
    lengths = torch.tensor([len(text.ids) for text in batch])
    shape = int(lengths.max()), len(batch)
    ids, labels = torch.zeros(shape, dtype=torch.long), torch.full(shape, UNLABELED)
    multiword = torch.zeros(shape)
    for column, text in enumerate(batch):
        as_class = random.random(len(text.ids)) < _CLASS_RATE
        ids[: len(text.ids), column] = torch.from_numpy(np.where(as_class, text.classes, text.ids))
        labels[: len(text.ids), column] = torch.from_numpy(text.labels)
        multiword[: len(text.ids), column] = torch.from_numpy(text.multiword)
    return ids, labels, multiword, lengths


def _join(parts: Sequence[LabeledText]) -> LabeledText:
    return LabeledText(*(np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS))


def _tightened(text: LabeledText, random: np.random.Generator) -> LabeledText:
    """The text, in some sentences without some of the spaces at punctuation."""
    if random.random() >= _TIGHT_SENTENCES:
        return text
    return _selected(text, ~(text.removable & (random.random(len(text.ids)) < _TIGHT_SPACES)))


def _selected(text: LabeledText, part: slice | NDArray[np.bool_]) -> LabeledText:
    return LabeledText(*(getattr(text, name)[part] for name in _ARRAYS))


def _limited(text: LabeledText) -> Iterator[LabeledText]:
    """The text in parts of at most the greatest length."""
    for start in range(0, len(text.ids), _MAX_LENGTH):
        yield _selected(text, slice(start, start + _MAX_LENGTH))
