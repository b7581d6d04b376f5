"""Generated sentences of a small language, with tags that a network can learn."""

import random
from pathlib import Path

from training.bilstm_crf.data.dataset import Sentence, TaggedData

NAMES = ("Anna", "Bodo", "Cora", "Dirk", "Elsa", "Finn")
PLACES = ("Rome", "Oslo", "Bonn", "Kyiv")
VERBS = ("walks", "sings", "runs", "reads")
OTHERS = ("in", "and", "today", "slowly")


def spans(count: int, seed: int) -> list[Sentence]:
    """Sentences as `Anna Bodo sings in Rome`, with IOB2 tags."""
    draw = random.Random(seed)
    sentences = []
    for _ in range(count):
        words, tags = [draw.choice(NAMES)], ["B-PER"]
        if draw.random() < 0.5:
            words, tags = [*words, draw.choice(NAMES)], [*tags, "I-PER"]
        words, tags = [*words, draw.choice(VERBS)], [*tags, "O"]
        if draw.random() < 0.7:
            words, tags = [*words, "in", draw.choice(PLACES)], [*tags, "O", "B-LOC"]
        sentences.append(Sentence(tuple(words), tuple(tags)))
    return sentences


def plain(count: int, seed: int) -> list[Sentence]:
    """The same sentences with plain tags."""
    kinds = dict.fromkeys(NAMES + PLACES, "NAME") | dict.fromkeys(VERBS, "VERB")
    return [
        Sentence(sentence.words, tuple(kinds.get(word, "REST") for word in sentence.words))
        for sentence in spans(count, seed)
    ]


def data(kind: str, train: int = 60) -> TaggedData:
    """A data set of either kind with all three splits."""
    make = spans if kind == "spans" else plain
    splits = {"train": make(train, 1), "dev": make(12, 2), "test": make(12, 3)}
    return TaggedData(
        name="made", kind="spans" if kind == "spans" else "tags", splits=splits, licence="CC0-1.0", attribution="",
        redistributable=True,
    )  # fmt: skip


def write_columns(path: Path, sentences: list[Sentence]) -> Path:
    """Write a column file of words and tags."""
    lines = ["".join(f"{word}\t{tag}\n" for word, tag in zip(s.words, s.tags, strict=True)) for s in sentences]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
