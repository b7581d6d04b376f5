"""A text as numbers on disk: read once, then trained on as often as one likes.

A corpus is a folder of three files. `tokens.i32` holds the words' numbers as int32, little-endian, with -1 after each
paragraph; `vocabulary.tsv` a word and its count a line, most frequent first; `corpus.json` what it was made from.
"""

import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.text import Tokenizer, tokenize
from training.common.datasets import cache_folder
from training.common.errors import DatasetError
from training.common.progress import bar
from training.common.run import write_json, write_text
from training.word2vec.data.phrases import blocks, join_phrases
from training.word2vec.data.sources import paragraphs, source_files

TOKENS, VOCABULARY, DESCRIPTION = "tokens.i32", "vocabulary.tsv", "corpus.json"

END, RARE = -1, -2
"""Of a paragraph; a word that is not in the vocabulary (while a corpus is being made)."""

_BLOCK = 1 << 21


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """What decides how a text becomes numbers."""

    tokenizer: Tokenizer = "letters"
    min_count: int = 5
    max_vocabulary: int = 0
    phrases: int = 0
    phrase_threshold: float = 100.0
    phrase_discount: float = 5.0


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """An encoded text in a folder."""

    folder: Path

    @cached_property
    def _vocabulary(self) -> list[tuple[str, int]]:
        lines = (self.folder / VOCABULARY).read_text(encoding="utf-8").split("\n")
        return [(word, int(count)) for word, count in (line.split("\t") for line in lines if line)]

    @cached_property
    def words(self) -> list[str]:
        """[V], most frequent first."""
        return [word for word, _ in self._vocabulary]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[V]"""
        return np.array([count for _, count in self._vocabulary], np.int64)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """The words' numbers, with -1 after each paragraph; mapped from the file."""
        return np.memmap(self.folder / TOKENS, np.int32, "r")

    @property
    def total(self) -> int:
        """Words, -1 not counted."""
        return int(self.counts.sum())

    @cached_property
    def raw_total(self) -> int:
        """Words of the text, rare ones included."""
        return int(json.loads((self.folder / DESCRIPTION).read_text(encoding="utf-8"))["raw_total"])


def open_corpus(data: str, settings: CorpusSettings, folder: Path | None = None) -> EncodedCorpus:
    """The encoded text of `data`: made now, or taken as it is where it was made from the same files before.

    Args:
        data: a file, a folder, or a known name.
        settings: what decides about words.
        folder: where to keep it; None: in the cache, by what it was made from.

    Raises:
        DatasetError: no text, text that cannot be read, or no word that is frequent enough.
    """
    files = source_files(data)
    identity = {"settings": asdict(settings), "files": [_fingerprint(file) for file in files]}
    if folder is None:
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        folder = cache_folder() / "corpora" / digest
    if _made_from(folder) == identity:
        return EncodedCorpus(folder)
    _check_target(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")  # each process its own
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _encode(paragraphs(files), settings, partial, identity, data)
        if _made_from(folder) != identity:  # by another process, meanwhile
            _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return EncodedCorpus(folder)


def _check_target(folder: Path) -> None:
    """What is there and no corpus stays; an empty folder may become one, and so may what an interruption left."""
    if not folder.exists() or (folder / DESCRIPTION).exists():
        return
    if not folder.is_dir() or any(file.name not in (TOKENS, VOCABULARY) for file in folder.iterdir()):
        raise DatasetError(f"{folder}: exists and is no corpus; name another folder")


def _move(partial: Path, folder: Path) -> None:
    """The description leaves first and comes last: without it no folder is taken for a corpus."""
    folder.mkdir(exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for name in (TOKENS, VOCABULARY, DESCRIPTION):
        (partial / name).replace(folder / name)


def _fingerprint(file: Path) -> list[str | int]:
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]


def _made_from(folder: Path) -> dict[str, Any] | None:
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return {name: described[name] for name in ("settings", "files")}
    except (OSError, ValueError, KeyError):
        return None


def _encode(text: Iterable[str], settings: CorpusSettings, folder: Path, identity: dict[str, Any], data: str) -> None:
    words, counts = _number(text, settings.tokenizer, folder / "provisional.i32")
    raw_total = int(counts.sum())
    if raw_total == 0:
        raise DatasetError(f"{data}: holds no words; the tokenizer is {settings.tokenizer!r}")
    source = folder / "provisional.i32"
    for number in range(settings.phrases):
        words, counts, numbers = _choose(words, counts, settings, data, limit=0)
        known = _renumber(source, folder / f"known{number}.i32", numbers)
        source.unlink()
        source = folder / f"phrases{number}.i32"
        words, counts = join_phrases(
            known, source, words, counts, threshold=settings.phrase_threshold, discount=settings.phrase_discount
        )
        known.unlink()
    words, counts, numbers = _choose(words, counts, settings, data, limit=settings.max_vocabulary)
    _renumber(source, folder / TOKENS, numbers, keep_rare=False)
    source.unlink()
    write_text(folder / VOCABULARY, "".join(f"{word}\t{count}\n" for word, count in zip(words, counts, strict=True)))
    write_json(
        folder / DESCRIPTION, {**identity, "words": len(words), "total": int(counts.sum()), "raw_total": raw_total}
    )


def _number(text: Iterable[str], tokenizer: Tokenizer, path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Write every word's number in order of appearance, and -1 after each paragraph; the words and their counts."""
    numbers: dict[str, int] = {}
    number = numbers.setdefault
    counts = np.zeros(0, np.int64)
    buffer = array("i")
    with path.open("wb") as out, bar(total=None, text="reading", unit="words", scaled=True) as progress:

        def flush() -> None:
            nonlocal counts, buffer
            block = np.frombuffer(buffer, np.int32)
            more = np.bincount(block[block >= 0], minlength=len(numbers))
            more[: len(counts)] += counts
            counts = more
            block.tofile(out)
            progress.update(len(block))
            buffer = array("i")

        for paragraph in text:
            found = tokenize(paragraph, tokenizer)
            if found:
                buffer.extend([number(word, len(numbers)) for word in found])
                buffer.append(END)
                if len(buffer) > _BLOCK:
                    flush()
        if buffer:
            flush()
    return list(numbers), counts


def _choose(
    words: list[str], counts: NDArray[np.int64], settings: CorpusSettings, data: str, *, limit: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32]]:
    """The vocabulary, most frequent first (ties by word), its counts, and the new number of each old one."""
    frequent = np.flatnonzero(counts >= settings.min_count)
    if len(frequent) < 2:
        raise DatasetError(
            f"{data}: of {int(counts.sum()):,} words ({len(words):,} different) fewer than two occur "
            f"{settings.min_count} times; use more text, or a lower --min-count"
        )
    order = sorted(frequent.tolist(), key=lambda number: (-counts[number], words[number]))
    order = order[: limit or None]
    numbers = np.full(len(words), RARE, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    return [words[number] for number in order], counts[order], numbers


def _renumber(source: Path, target: Path, numbers: NDArray[np.int32], *, keep_rare: bool = True) -> Path:
    """Write the tokens with their new numbers; without rare words no two ends follow each other."""
    table = np.append(numbers, [RARE, END]).astype(np.int32)  # -2 and -1 stay what they are
    before = END
    with target.open("wb") as out:
        for block in blocks(source):
            changed = table[block]
            if not keep_rare:
                changed = changed[changed != RARE]
                previous = np.concatenate(([before], changed[:-1])) if len(changed) else changed
                before = int(changed[-1]) if len(changed) else before
                changed = changed[(changed != END) | (previous != END)]
            changed.astype(np.int32, copy=False).tofile(out)
    return target
