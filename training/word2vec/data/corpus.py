"""The encoded corpus: a text tokenized once, stored as word ids on disk, and memory-mapped for training.

An encoded corpus is a folder of three files: `tokens.i32` has the word ids as little-endian int32, with -1 after each
paragraph; `vocabulary.tsv` has one word and its count per line, most frequent first; `corpus.json` has the settings
and source files it was encoded from.
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

from service.bundle.write_errors import attribute_write_errors
from service.text import Tokenizer, tokenize
from training.common.downloads import cache_folder
from training.common.errors import DatasetError
from training.common.files import write_json, write_text
from training.common.progress import progress_bar
from training.word2vec.data.phrases import join_phrases, read_blocks
from training.word2vec.data.sources import paragraphs, source_files

TOKENS, VOCABULARY, DESCRIPTION = "tokens.i32", "vocabulary.tsv", "corpus.json"

END, RARE = -1, -2
"""Token ids of the end of a paragraph, and (only during encoding) of a word outside the vocabulary."""

_BLOCK = 1 << 21


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """The settings that determine the tokens and the vocabulary; see `Word2VecConfig`."""

    tokenizer: Tokenizer = "letters"
    min_count: int = 5
    max_vocabulary: int = 0
    phrases: int = 0
    phrase_threshold: float = 100.0
    phrase_discount: float = 5.0


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """An encoded corpus in a folder."""

    folder: Path

    @cached_property
    def _vocabulary(self) -> list[tuple[str, int]]:
        lines = (self.folder / VOCABULARY).read_text(encoding="utf-8").split("\n")
        return [(word, int(count)) for word, count in (line.split("\t") for line in lines if line)]

    @cached_property
    def words(self) -> list[str]:
        """[V], the vocabulary, most frequent word first."""
        return [word for word, _ in self._vocabulary]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[V], occurrences of each word."""
        return np.array([count for _, count in self._vocabulary], np.int64)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """[tokens], word ids with -1 after each paragraph; memory-mapped."""
        return np.memmap(self.folder / TOKENS, np.int32, "r")

    @property
    def total(self) -> int:
        """Words of the encoded corpus, paragraph ends not counted."""
        return int(self.counts.sum())

    @cached_property
    def raw_total(self) -> int:
        """Words of the original text, rare ones included."""
        return int(json.loads((self.folder / DESCRIPTION).read_text(encoding="utf-8"))["raw_total"])


def open_corpus(data: str, settings: CorpusSettings, folder: Path | None = None) -> EncodedCorpus:
    """Encode the text of `data`, or reuse what was encoded from the same files with the same settings.

    Args:
        data: a file, a folder, or the name of a known corpus.
        settings: of tokenization and vocabulary.
        folder: folder of the encoded corpus; None: a folder in the cache, named by a hash of settings and files.

    Raises:
        DatasetError: there is no text, it cannot be read, or fewer than two words are frequent enough.
    """
    files = source_files(data)
    fingerprint = {"settings": asdict(settings), "files": [_file_fingerprint(file) for file in files]}
    if folder is None:
        digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
        folder = cache_folder() / "corpora" / digest
    if _read_fingerprint(folder) == fingerprint:
        return EncodedCorpus(folder)
    _check_target(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")  # one per process
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with attribute_write_errors(folder, temporary=partial):
            partial.mkdir(parents=True)
            _encode(paragraphs(files), settings, partial, fingerprint, data)
            if _read_fingerprint(folder) != fingerprint:  # else another process has encoded it meanwhile
                _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return EncodedCorpus(folder)


def _check_target(folder: Path) -> None:
    """Refuse a folder that has other files than an encoded corpus, so that nothing of the user's is overwritten."""
    if not folder.exists() or (folder / DESCRIPTION).exists():
        return
    if not folder.is_dir() or any(file.name not in (TOKENS, VOCABULARY) for file in folder.iterdir()):
        raise DatasetError(f"{folder}: exists and is not an encoded corpus; name another folder")


def _move(partial: Path, folder: Path) -> None:
    """Move the files to `folder`; `corpus.json`, which makes it a valid corpus, is deleted first and moved last."""
    folder.mkdir(exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for name in (TOKENS, VOCABULARY, DESCRIPTION):
        (partial / name).replace(folder / name)


def _file_fingerprint(file: Path) -> list[str | int]:
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]


def _read_fingerprint(folder: Path) -> dict[str, Any] | None:
    """The settings and source files of an encoded corpus; None if the folder has none."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return {name: description[name] for name in ("settings", "files")}
    except (OSError, ValueError, KeyError):
        return None


def _encode(
    text: Iterable[str], settings: CorpusSettings, folder: Path, fingerprint: dict[str, Any], data: str
) -> None:
    words, counts = _tokenize(text, settings.tokenizer, folder / "provisional.i32")
    raw_total = int(counts.sum())
    if raw_total == 0:
        raise DatasetError(f"{data}: holds no words; the tokenizer is {settings.tokenizer!r}")
    source = folder / "provisional.i32"
    for phrase_pass in range(settings.phrases):
        words, counts, new_ids = _select_vocabulary(words, counts, settings, data, limit=0)
        frequent = _remap(source, folder / f"frequent{phrase_pass}.i32", new_ids)
        source.unlink()
        source = folder / f"phrases{phrase_pass}.i32"
        words, counts = join_phrases(
            frequent, source, words, counts, threshold=settings.phrase_threshold, discount=settings.phrase_discount
        )
        frequent.unlink()
    words, counts, new_ids = _select_vocabulary(words, counts, settings, data, limit=settings.max_vocabulary)
    _remap(source, folder / TOKENS, new_ids, keep_rare=False)
    source.unlink()
    write_text(folder / VOCABULARY, "".join(f"{word}\t{count}\n" for word, count in zip(words, counts, strict=True)))
    write_json(
        folder / DESCRIPTION, {**fingerprint, "words": len(words), "total": int(counts.sum()), "raw_total": raw_total}
    )


def _tokenize(text: Iterable[str], tokenizer: Tokenizer, path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Write the token ids of a text to `path`, words numbered by first occurrence, END after each paragraph.

    Returns:
        The distinct words in the order of their ids, and their counts.
    """
    ids: dict[str, int] = {}
    id_of = ids.setdefault
    counts = np.zeros(0, np.int64)
    buffer = array("i")
    with (
        path.open("wb") as out,
        progress_bar(total=None, description="reading", unit="words", unit_scale=True) as progress,
    ):

        def flush() -> None:
            nonlocal counts, buffer
            block = np.frombuffer(buffer, np.int32)
            block_counts = np.bincount(block[block >= 0], minlength=len(ids))
            block_counts[: len(counts)] += counts
            counts = block_counts
            block.tofile(out)
            progress.update(len(block))
            buffer = array("i")

        for paragraph in text:
            tokens = tokenize(paragraph, tokenizer)
            if tokens:
                buffer.extend([id_of(token, len(ids)) for token in tokens])
                buffer.append(END)
                if len(buffer) > _BLOCK:
                    flush()
        if buffer:
            flush()
    return list(ids), counts


def _select_vocabulary(
    words: list[str], counts: NDArray[np.int64], settings: CorpusSettings, data: str, *, limit: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32]]:
    """Select the words that are frequent enough, most frequent first, ties in alphabetical order.

    Args:
        words: [W], all words.
        counts: [W]
        settings: `min_count` is used.
        data: named in the error message.
        limit: maximum size of the vocabulary; 0: none.

    Returns:
        The vocabulary, its counts, and the new id of each of the W words, RARE for those left out.

    Raises:
        DatasetError: fewer than two words are frequent enough.
    """
    frequent = np.flatnonzero(counts >= settings.min_count)
    if len(frequent) < 2:
        raise DatasetError(
            f"{data}: of {int(counts.sum()):,} words ({len(words):,} different) fewer than two occur "
            f"{settings.min_count} times; use more text, or a lower --min-count"
        )
    order = sorted(frequent.tolist(), key=lambda index: (-counts[index], words[index]))
    order = order[: limit or None]
    new_ids = np.full(len(words), RARE, np.int32)
    new_ids[order] = np.arange(len(order), dtype=np.int32)
    return [words[index] for index in order], counts[order], new_ids


def _remap(source: Path, target: Path, new_ids: NDArray[np.int32], *, keep_rare: bool = True) -> Path:
    """Write the tokens of `source` with new ids to `target`, which is returned.

    Args:
        source: file of int32 ids.
        target: file to write.
        new_ids: the new id of each old one.
        keep_rare: whether to keep RARE tokens; without them, paragraphs that become empty are dropped.
    """
    table = np.append(new_ids, [RARE, END]).astype(np.int32)  # ids -2 and -1 index the last two entries
    last = END
    with target.open("wb") as out:
        for block in read_blocks(source):
            tokens = table[block]
            if not keep_rare:
                tokens = tokens[tokens != RARE]
                previous = np.concatenate(([last], tokens[:-1])) if len(tokens) else tokens
                last = int(tokens[-1]) if len(tokens) else last
                tokens = tokens[(tokens != END) | (previous != END)]
            tokens.astype(np.int32, copy=False).tofile(out)
    return target
