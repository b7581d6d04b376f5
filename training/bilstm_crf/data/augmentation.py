"""Augmentation of training sentences: other casing, and emoji, which treebanks of edited text hardly have."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from training.bilstm_crf.data.batches import UNLABELED, Example
from training.bilstm_crf.data.dataset import Sentence, TaggedData

Case = Literal["lower", "upper"]

EMOJI = (
    "😀", "😂", "🙂", "😉", "😍", "😢", "😡", "🤔", "👍", "👏", "🙏", "💪", "🔥", "🎉", "🚀", "⚽", "☕", "🍕",
    "❤", "❤️", "☀️", "✅", "⚠️", "👍🏽", "👩‍🔬", "🏳️‍🌈", "🇫🇷", "😂😂", "🎉🎉🎉",
)  # fmt: skip
"""Of one and of several code points, and repeated."""
_EMOJI_SHARE = 0.05
_CASES: dict[str, Case] = {"lower": "lower", "upper": "upper"}
_AT_END = 0.7
"""The part of the emoji that are put at an end of the sentence; the others come after any word."""


def recased(words: Sequence[str], case: Case) -> tuple[str, ...]:
    """The words in lower case or in capitals."""
    return tuple(word.lower() if case == "lower" else word.upper() for word in words)


def with_recased(data: TaggedData, split: str) -> TaggedData:
    """The data with the split that `split` (`<name>-lower`, `<name>-upper`) names; unchanged for other names."""
    name, _, suffix = split.rpartition("-")
    case = _CASES.get(suffix)
    if name not in data.splits or case is None:
        return data
    sentences = [Sentence(recased(one.words, case), one.tags, one.location) for one in data.splits[name]]
    return replace(data, splits=data.splits | {split: sentences})


class Augmenter:
    """Changes training sentences at random.

    Args:
        recase: the share of the sentences that are put in lower case or in capitals, half of them each.
        emoji_label: the label of emoji, which are inserted in one sentence in twenty; None inserts none.
    """

    def __init__(self, recase: float, emoji_label: int | None) -> None:
        self._recase = recase
        self._emoji_label = emoji_label

    def augment(self, example: Example, random: Random) -> Example:
        """The sentence, as it is or changed."""
        if random.random() < self._recase:
            case: Case = "lower" if random.random() < 0.5 else "upper"
            example = replace(example, words=recased(example.words, case))
        if self._emoji_label is not None and random.random() < _EMOJI_SHARE:
            example = insert_emoji(example, self._emoji_label, random)
        return example


def insert_emoji(example: Example, label: int, random: Random) -> Example:
    """The sentence with an emoji at its end or after one of its words."""
    at_end = random.random() < _AT_END
    index = len(example.words) if at_end else random.randint(1, len(example.words))
    return Example(
        (*example.words[:index], random.choice(EMOJI), *example.words[index:]),
        (*example.labels[:index], label, *example.labels[index:]),
        example.auxiliary and (*example.auxiliary[:index], UNLABELED, *example.auxiliary[index:]),
    )
