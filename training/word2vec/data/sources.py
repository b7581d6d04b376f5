"""Text to train on, as paragraphs, from files of any size and the usual packings."""

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
from training.common.datasets import fetch_path
from training.common.errors import DatasetError

_BLOCK = 1 << 20
_LONGEST = 1 << 16  # characters; a longer paragraph goes on as the next one
_TAR = re.compile(r"\.(tar|tgz|tbz2?|txz)(\.(gz|bz2|xz))?$")
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile)


def source_files(data: str) -> list[Path]:
    """The files that hold the text.

    Args:
        data: names a file, a folder (all files below it but hidden ones, sorted), or a known corpus.

    Raises:
        DatasetError: there is none.
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
            f"{data}: is no file and no folder; name your text, or one of the known corpora: wikipedia-en-2015, text8"
        )
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    if not files:
        raise DatasetError(f"{data}: the folder holds no files; put text files into it")
    return files


def _hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def paragraphs(files: Iterable[Path]) -> Iterator[str]:
    """The lines of the files in order, without empty ones; very long ones in pieces, cut between words.

    Of WikiExtractor's output the lines that begin and end articles are left out, and entities are resolved.

    Raises:
        DatasetError: naming the file that is damaged or not UTF-8, and the line.
    """
    for path in files:
        with _readable(path):
            for name, stream in _streams(path):
                yield from _cleaned(_lines(name, stream))


def _streams(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """The unpacked streams in a file, with what errors call them."""
    if _TAR.search(path.name):
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)) is not None:
                    yield f"{path}, {member.name}", cast(BinaryIO, content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    with zipped.open(info) as content_of:
                        yield f"{path}, {info.filename}", cast(BinaryIO, content_of)
    else:
        with _opened(path) as stream:
            yield str(path), stream


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if path.suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path))
    return path.open("rb")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise DatasetError(f"{path}: cannot be unpacked ({error}); get the file again") from error
    except OSError as error:  # bz2 says no more than "Invalid data stream"
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); get the file again") from error
    except RuntimeError as error:  # zipfile: encrypted
        raise DatasetError(f"{path}: cannot be unpacked ({error}); unpack it yourself") from error


def _lines(name: str, stream: BinaryIO) -> Iterator[str]:
    """Decoded lines without their ends; a line longer than `_LONGEST` comes in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    number, rest = 1, ""
    more = True
    while more:
        block = stream.read(_BLOCK)
        more = bool(block)
        try:
            text = decoder.decode(block, final=not more)
        except UnicodeDecodeError as error:
            line = number + error.object[: error.start].count(b"\n")
            raise DatasetError(
                f"{name}, line {line}: is not UTF-8; convert it, as in: iconv -f latin1 -t utf-8 old.txt > new.txt"
            ) from error
        if "\0" in text:
            line = number + text[: text.index("\0")].count("\n")
            raise DatasetError(f"{name}, line {line}: holds a zero byte, so it is no text; leave the file out")
        *whole, rest = (rest + text).split("\n")
        number += len(whole)
        for line_text in whole:
            yield from _pieces(line_text.removesuffix("\r"))
        if len(rest) > _LONGEST:
            *cut, rest = _pieces(rest)
            yield from cut
    yield from _pieces(rest)


def _pieces(line: str) -> Iterator[str]:
    """A line, cut between words where it is too long."""
    start = 0
    while len(line) - start > _LONGEST:
        end = line.rfind(" ", start, start + _LONGEST)
        end = start + _LONGEST if end <= start else end
        yield line[start:end]
        start = end
    yield line[start:]


def _cleaned(lines: Iterator[str]) -> Iterator[str]:
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith("<doc "):
        if first:
            yield first
        yield from (line for line in lines if line)
        return
    for line in lines:
        if line and not line.startswith(("<doc ", "</doc>")):
            yield html.unescape(line) if "&" in line else line
