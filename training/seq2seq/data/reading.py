"""Reads sentence pairs from tables, from two parallel files, and from zip archives of either."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from training.common.errors import DatasetError
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.language_codes import iso_639_1

_TABLES = (".tsv", ".txt", ".tab")
_TOO_BIG = 1 << 32
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class FilePairs(NamedTuple):
    """The content of a file."""

    pairs: list[Pair]
    """The pairs, with sides in the order of the columns or files."""
    languages: tuple[str, str] | None
    """Their languages in the same order (ISO 639-1), if the file itself says so."""


def read_pairs(content: bytes, name: str, languages: tuple[str, str] | None = None) -> FilePairs:
    """The pairs of one file, compressed or not.

    A table has two columns with a tab between; further ones, like manythings.org's attributions, are ignored. A zip
    holds one table (manythings.org), or two files named by their language (OPUS).

    Args:
        content: content of the file.
        name: name of the file, for error messages.
        languages: ISO 639-1 codes of source and target, by which two files of a zip are chosen.

    Raises:
        DatasetError: naming the file, mostly the line, and the expected format.
    """
    if content.startswith(_ZIP):
        return _read_zip(content, name, languages)
    return FilePairs(_read_table(unpacked(content, name), name), None)


def read_parallel(contents: Sequence[bytes], names: Sequence[str]) -> list[Pair]:
    """The pairs of two files with one sentence per line.

    Raises:
        DatasetError: their numbers of lines differ, or a file is malformed.
    """
    source, target = (lines(unpacked(content, name), name) for content, name in zip(contents, names, strict=True))
    if len(source) != len(target):
        raise DatasetError(
            f"{names[0]} has {len(source):,} lines and {names[1]} has {len(target):,}; "
            "line n of one must be the translation of line n of the other: compare the files, they are shifted"
        )
    pairs = [Pair(*pair) for pair in zip(source, target, strict=True)]
    if not pairs:
        raise DatasetError(f"{names[0]} and {names[1]} are empty; sentences are expected, one a line")
    return pairs


def unpacked(content: bytes, name: str) -> bytes:
    """The content of a file that may be compressed with gzip.

    Raises:
        DatasetError: it is compressed and damaged.
    """
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{name}: cannot be unpacked ({error}); get the file again") from error


def lines(content: bytes, name: str) -> list[str]:
    """The lines of a UTF-8 text. Only line feeds end a line, so that parallel files have the same line numbers.

    Raises:
        DatasetError: naming the line that is not UTF-8.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DatasetError(f"{name}: is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{name}:{line}: is not UTF-8 ({error.reason}); save the file as UTF-8") from error
    rows = text.split("\n")
    if not rows[-1]:
        rows.pop()
    return [row.removesuffix("\r") for row in rows]


def _read_table(content: bytes, name: str) -> list[Pair]:
    pairs = []
    for number, line in enumerate(lines(content, name), 1):
        cells = line.split("\t")
        if len(cells) > 1:
            pairs.append(Pair(cells[0], cells[1]))
        elif line.strip():
            raise DatasetError(
                f"{name}:{number}: has no tab; a sentence, a tab and its translation are expected "
                "(for two parallel files, name both, separated by a comma: corpus.en,corpus.de)"
            )
    if not pairs:
        raise DatasetError(f"{name}: is empty; lines of a sentence, a tab and its translation are expected")
    return pairs


def _read_zip(content: bytes, name: str, languages: tuple[str, str] | None) -> FilePairs:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            chosen = _choose([entry.filename for entry in files], name, languages)
            if sum(archive.getinfo(file).file_size for file in chosen) > _TOO_BIG:
                raise DatasetError(f"{name}: holds more than 4 GiB unpacked; unpack it and name a part of it")
            contents = [archive.read(file) for file in chosen]
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DatasetError(f"{name}: cannot be unpacked ({error}); get the file again, or unpack it first") from error
    names = [f"{name}/{file}" for file in chosen]
    if len(chosen) == 2:
        return FilePairs(read_parallel(contents, names), languages)
    return FilePairs(_read_table(unpacked(contents[0], names[0]), names[0]), _manythings_languages(chosen[0], files))


def _choose(files: list[str], name: str, languages: tuple[str, str] | None) -> list[str]:
    """The file of a zip that is a table, or the two files that are named by their languages."""
    if languages:
        named = [[file for file in files if file.endswith(f".{language}")] for language in languages]
        if all(len(matches) == 1 for matches in named):
            return [matches[0] for matches in named]
    tables = [
        file
        for file in files
        if file.lower().endswith(_TABLES) and not PurePosixPath(file).name.startswith(("_", ".", "README", "LICENSE"))
    ]
    if len(tables) != 1:
        expected = f"two files that end with .{languages[0]} and .{languages[1]}" if languages else "two files"
        content = ", ".join(files[:6]) or "nothing"
        raise DatasetError(
            f"{name}: holds {content}; one .txt or .tsv, or {expected}, are expected: unpack and name them"
        )
    return tables


def _manythings_languages(table: str, files: Sequence[zipfile.ZipInfo]) -> tuple[str, str] | None:
    """The languages of the columns of manythings.org's zips: English, and the one that the table is named after."""
    language = iso_639_1(PurePosixPath(table).stem)
    published = any(PurePosixPath(entry.filename).name == "_about.txt" for entry in files)
    return ("en", language) if published and language else None
