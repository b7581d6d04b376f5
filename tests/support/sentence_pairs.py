"""A small made language pair: every word has one translation, and the order is turned round."""

import random
from pathlib import Path

from training.seq2seq.data.dataset import Pair, ParallelData

_SOURCE = ["the", "dog", "cat", "bird", "sees", "hears", "likes", "small", "big", "old", "tree", "house"]
_TARGET = ["das", "hund", "katze", "vogel", "sieht", "hört", "mag", "klein", "groß", "alt", "baum", "haus"]
_WORDS = dict(zip(_SOURCE, _TARGET, strict=True))


def translation(sentence: str) -> str:
    """What the made language says."""
    return " ".join(_WORDS[word] for word in reversed(sentence.split()))


def pairs(count: int, seed: int, longest: int = 5) -> list[Pair]:
    """`count` distinct sentences of 1 to `longest` words with their translations."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(draw.choices(_SOURCE, k=draw.randint(1, longest)))] = None
    return [Pair(sentence, translation(sentence)) for sentence in found]


def data(count: int = 400) -> ParallelData:
    """Training, dev and test pairs; no source stands in two of them."""
    made = pairs(count, seed=1)
    held_out = count // 10
    splits = {"dev": made[:held_out], "test": made[held_out : 2 * held_out], "train": made[2 * held_out :]}
    return ParallelData(name="made", source="en", target="de", splits=splits, licence="CC0-1.0", attribution="nobody")


def write_table(path: Path, count: int = 300) -> Path:
    """A .tsv of such pairs."""
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs(count, seed=1)), encoding="utf-8")
    return path
