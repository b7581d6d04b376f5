"""Reads the paragraphs of training texts from plain, compressed and archived files of any size."""

import bz2
import codecs
import gzip
import html
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from training.common.data_files import TEXT8, WIKIPEDIA_EN_2015
from training.common.downloads import fetch_path
from training.common.errors import DatasetError
from training.common.text_decoding import byte_order_mark, looks_like_utf_16

_BLOCK = 1 << 20
_MAX_PARAGRAPH = 1 << 16  # characters; longer paragraphs are split
_TAR_NAME = re.compile(r"\.(tar|tgz|tbz2?|txz)(\.(gz|bz2|xz))?$")
_UNPACKING_ERRORS = (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile)


def source_files(data: str) -> list[Path]:
    """List the files of a corpus; those of a known corpus are downloaded.

    Args:
        data: a file, a folder (all files below it except hidden ones, sorted), or the name of a known corpus.

    Raises:
        DatasetError: there is no such file.
    """
    if data == "wikipedia-en-2015":
        return [fetch_path(part) for part in WIKIPEDIA_EN_2015]
    if data == "text8":
        return [fetch_path(TEXT8)]
    path = Path(data)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DatasetError(
            f"{data}: is neither a file nor a folder; name your text, or one of the known corpora: "
            "wikipedia-en-2015, text8"
        )
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    if not files:
        raise DatasetError(f"{data}: the folder holds no files; put text files into it")
    return files


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def paragraphs(files: Iterable[Path]) -> Iterator[str]:
    """Read the non-empty lines of the files in order; very long lines are split between words.

    In WikiExtractor's output, article tags are removed and HTML entities are resolved.

    Raises:
        DatasetError: a file is damaged or not UTF-8; the message names file and line.
    """
    for path in files:
        with _readable(path):
            for name, stream in _streams(path):
                yield from _strip_wikiextractor(_lines(name, stream))


def _streams(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """The unpacked streams of a file, each with its name for error messages."""
    if _TAR_NAME.search(path.name):
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)) is not None:
                    yield f"{path}, {member.name}", cast(BinaryIO, content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    with zipped.open(info) as stream:
                        yield f"{path}, {info.filename}", cast(BinaryIO, stream)
    else:
        with _open(path) as file:
            yield str(path), file


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path))
    return path.open("rb")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of reading and unpacking into `DatasetError`."""
    try:
        yield
    except _UNPACKING_ERRORS as error:
        raise DatasetError(f"{path}: cannot be unpacked ({error}); get the file again") from error
    except OSError as error:  # bz2 says no more than "Invalid data stream"
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); get the file again") from error
    except RuntimeError as error:  # zipfile: encrypted
        raise DatasetError(f"{path}: cannot be unpacked ({error}); unpack it yourself") from error


def _lines(name: str, stream: BinaryIO) -> Iterator[str]:
    """Decode a stream into lines without line ends; lines longer than `_MAX_PARAGRAPH` are split.

    It is UTF-8, or what its byte order mark says.
    """
    block = stream.read(_BLOCK)
    mark, encoding = byte_order_mark(block)
    if not mark and looks_like_utf_16(block):
        raise DatasetError(
            f"{name}: looks like UTF-16 without a byte order mark; convert it, as in: "
            "iconv -f utf-16le -t utf-8 old.txt > new.txt"
        )
    block = block[len(mark) :]
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    line_number, rest = 1, ""
    at_end = False
    while not at_end:
        at_end = not block
        try:
            text = decoder.decode(block, final=at_end)
        except UnicodeDecodeError as error:
            line = line_number + error.object[: error.start].decode(encoding or "utf-8", "ignore").count("\n")
            raise DatasetError(f"{name}, line {line}: {_undecodable(encoding)}") from error
        if "\0" in text:
            line = line_number + text[: text.index("\0")].count("\n")
            raise DatasetError(f"{name}, line {line}: holds a zero byte, so it is no text; leave the file out")
        *complete, rest = (rest + text).split("\n")
        line_number += len(complete)
        for line_text in complete:
            yield from _split_long(line_text.removesuffix("\r"))
        if len(rest) > _MAX_PARAGRAPH:
            *complete, rest = _split_long(rest)
            yield from complete
        block = b"" if at_end else stream.read(_BLOCK)
    yield from _split_long(rest)


def _undecodable(encoding: str) -> str:
    """What is wrong with a line, and the remedy; the encoding is that of a byte order mark, or empty."""
    if encoding and encoding != "utf-8":
        return f"is no valid {encoding.upper()}, which the first bytes of the file say it is; get the file again"
    return "is not UTF-8; convert it, as in: iconv -f latin1 -t utf-8 old.txt > new.txt"


def _split_long(line: str) -> Iterator[str]:
    """Split a line between words into parts of at most `_MAX_PARAGRAPH` characters."""
    start = 0
    while len(line) - start > _MAX_PARAGRAPH:
        end = line.rfind(" ", start, start + _MAX_PARAGRAPH)
        end = start + _MAX_PARAGRAPH if end <= start else end
        yield line[start:end]
        start = end
    yield line[start:]


def _strip_wikiextractor(lines: Iterator[str]) -> Iterator[str]:
    """Drop empty lines and, if the text is WikiExtractor's output, article tags and HTML entities."""
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith("<doc "):
        if first:
            yield first
        yield from (line for line in lines if line)
        return
    for line in lines:
        if line and not line.startswith(("<doc ", "</doc>")):
            yield html.unescape(line) if "&" in line else line
