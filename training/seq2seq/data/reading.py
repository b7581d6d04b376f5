"""Reads sentence pairs from tables, translation memories, two parallel files, and zip archives of any of them."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from training.common.errors import DatasetError
from training.common.line_faults import left_out_note
from training.common.text_decoding import NOT_DECODABLE, decodable_lines, lines, unpacked
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.language_codes import iso_639_1
from training.seq2seq.data.tables import read_table
from training.seq2seq.data.translation_memories import MEMORIES, read_memory

_TABLES = (".tsv", ".txt", ".tab", ".csv")
_TOO_BIG = 1 << 32
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class FilePairs(NamedTuple):
    """The content of a file."""

    pairs: list[Pair]
    """The pairs, with sides in the order of the columns or files."""
    languages: tuple[str, str] | None
    """Their languages in the same order (ISO 639-1), if the file itself says so."""
    notes: tuple[str, ...] = ()
    """What was left out of it, and how it was read."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How files are read."""

    languages: tuple[str, str] | None = None
    """ISO 639-1 codes of the first and the second side, by which columns, units and files of a zip are chosen."""
    header: bool | None = None
    """Whether the first line of a table names its columns; None to infer it from its words."""
    encoding: str = ""
    """Encoding of files that are no UTF-8 and have no byte order mark; empty for none."""
    skip_bad: bool = False
    """Whether to leave out lines that cannot be read."""


_PLAIN = ReadOptions()


def read_pairs(content: bytes, name: str, options: ReadOptions = _PLAIN, *, quotes: bool | None = None) -> FilePairs:
    """The pairs of one file, compressed or not.

    A table has two columns with a tab between, or is CSV; further columns, like manythings.org's attributions, are
    ignored. TMX, XLIFF and PO are known by their names. A zip holds one such file, or two files named by their language
    (OPUS).

    Args:
        content: content of the file.
        name: name of the file.
        options: how it is read.
        quotes: whether the cells of a table are quoted; None to infer it from its content.

    Raises:
        DatasetError: naming the file, mostly the line, and the expected format.
    """
    if content.startswith(_ZIP):
        return _read_zip(content, name, options)
    content = unpacked(content, name)
    if options.languages and (units := read_memory(content, name, options.languages)):
        return FilePairs(*units)
    rows = decodable_lines(content, name, options.encoding)
    if any(row is None for row in rows) and not options.skip_bad:
        rows = list(lines(content, name, options.encoding))  # names the line
    table = read_table(
        rows, name, quotes=quotes, header=options.header, languages=options.languages, skip_bad=options.skip_bad
    )
    return FilePairs(table.pairs, table.languages, (*table.notes, *_fault_notes(name, table.bad)))


def read_parallel(contents: Sequence[bytes], names: Sequence[str], options: ReadOptions = _PLAIN) -> FilePairs:
    """The pairs of two files with one sentence per line.

    Raises:
        DatasetError: their numbers of lines differ, or a file is malformed.
    """
    read = decodable_lines if options.skip_bad else lines
    source, target = (
        read(unpacked(content, name), name, options.encoding) for content, name in zip(contents, names, strict=True)
    )
    if len(source) != len(target):
        raise DatasetError(
            f"{names[0]} has {len(source):,} lines and {names[1]} has {len(target):,}; "
            "line n of one must be the translation of line n of the other: compare the files, they are shifted"
        )
    pairs, faults = [], []
    for number, (left, right) in enumerate(zip(source, target, strict=True), 1):
        if left is None or right is None:
            faults.append(f"line {number} {NOT_DECODABLE}")
        else:
            pairs.append(Pair(left, right))
    if faults and not pairs:
        raise DatasetError(f"{names[0]} and {names[1]}: no line can be read: {faults[0]}")
    if not pairs:
        raise DatasetError(f"{names[0]} and {names[1]} are empty; sentences are expected, one a line")
    return FilePairs(pairs, None, _fault_notes(f"{names[0]} and {names[1]}", faults))


def _fault_notes(name: str, faults: Sequence[str]) -> tuple[str, ...]:
    """A note on the lines that were left out; none for none."""
    return (left_out_note(name, len(faults), "bad line", faults),) if faults else ()


def _read_zip(content: bytes, name: str, options: ReadOptions) -> FilePairs:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            chosen = _choose([entry.filename for entry in files], name, options.languages)
            if sum(archive.getinfo(file).file_size for file in chosen) > _TOO_BIG:
                raise DatasetError(f"{name}: holds more than 4 GiB unpacked; unpack it and name a part of it")
            contents = [archive.read(file) for file in chosen]
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DatasetError(f"{name}: cannot be unpacked ({error}); get the file again, or unpack it first") from error
    names = [f"{name}/{file}" for file in chosen]
    if len(chosen) == 2:
        return read_parallel(contents, names, options)._replace(languages=options.languages)
    languages = _manythings_languages(chosen[0], files)
    # In manythings.org's tables quotation marks are part of the text.
    read = read_pairs(contents[0], names[0], options, quotes=False if languages else None)
    return read._replace(languages=languages) if languages else read


def _choose(files: list[str], name: str, languages: tuple[str, str] | None) -> list[str]:
    """The file of a zip that is a table or translation memory, or the two files that are named by their languages."""
    if languages:
        named = [[file for file in files if file.endswith(f".{language}")] for language in languages]
        if all(len(matches) == 1 for matches in named):
            return [matches[0] for matches in named]
    tables = [
        file
        for file in files
        if file.lower().endswith((*_TABLES, *MEMORIES))
        and not PurePosixPath(file).name.startswith(("_", ".", "README", "LICENSE"))
    ]
    if len(tables) != 1:
        expected = f"two files that end with .{languages[0]} and .{languages[1]}" if languages else "two files"
        content = ", ".join(files[:6]) or "nothing"
        raise DatasetError(
            f"{name}: holds {content}; one .txt, .tsv, .csv, .tmx, .xlf or .po, or {expected}, are expected: "
            "unpack and name them"
        )
    return tables


def _manythings_languages(table: str, files: Sequence[zipfile.ZipInfo]) -> tuple[str, str] | None:
    """The languages of the columns of manythings.org's zips: English, and the one that the table is named after."""
    language = iso_639_1(PurePosixPath(table).stem)
    published = any(PurePosixPath(entry.filename).name == "_about.txt" for entry in files)
    return ("en", language) if published and language else None
