"""A small artificial language pair: every word has one translation, and the word order is reversed."""

import random
from pathlib import Path

from tests.support.files import zip_file
from training.seq2seq.data.dataset import Pair, ParallelData

_SOURCE = ["the", "dog", "cat", "bird", "sees", "hears", "likes", "small", "big", "old", "tree", "house"]
_TARGET = ["das", "hund", "katze", "vogel", "sieht", "hört", "mag", "klein", "groß", "alt", "baum", "haus"]
_WORDS = dict(zip(_SOURCE, _TARGET, strict=True))


def translation(sentence: str) -> str:
    """The translation of a sentence."""
    return " ".join(_WORDS[word] for word in reversed(sentence.split()))


def pairs(count: int, seed: int, longest: int = 5) -> list[Pair]:
    """`count` distinct sentences of 1 to `longest` words with their translations."""
    generator = random.Random(seed)
    sentences: dict[str, None] = {}
    while len(sentences) < count:
        sentences[" ".join(generator.choices(_SOURCE, k=generator.randint(1, longest)))] = None
    return [Pair(sentence, translation(sentence)) for sentence in sentences]


def data(count: int = 400) -> ParallelData:
    """Training, dev and test pairs with different sources."""
    generated = pairs(count, seed=1)
    held_out = count // 10
    splits = {
        "dev": generated[:held_out],
        "test": generated[held_out : 2 * held_out],
        "train": generated[2 * held_out :],
    }
    return ParallelData(name="made", source="en", target="de", splits=splits, licence="CC0-1.0", attribution="nobody")


def write_table(path: Path, count: int = 300) -> Path:
    """Write pairs as a .tsv file."""
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs(count, seed=1)), encoding="utf-8")
    return path


def zip_of_texts(**files: str) -> bytes:
    """A .zip of text files; in their names `__` stands for a dot."""
    return zip_file({name.replace("__", "."): text.encode() for name, text in files.items()})
