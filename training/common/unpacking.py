"""Opening data files that may be compressed (gzip, bzip2, xz) or in a zip archive, recognized by their content."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from training.common.errors import DatasetError

_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04"
_OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip archive",
    b"Rar!": "RAR archive",
    b"\x28\xb5\x2f\xfd": "Zstandard file",
}
_TAR_OFFSET, _TAR = 257, b"ustar"
_LISTED_MEMBERS = 8


_ENDINGS = (".gz", ".bz2", ".xz", ".zip")


def unpacked_name(name: str) -> str:
    """The name of a file in lower case, without the ending of its packing: `x.conllu` for `X.conllu.gz`."""
    lowered = name.lower()
    return next((lowered.removesuffix(ending) for ending in _ENDINGS if lowered.endswith(ending)), lowered)


@contextmanager
def open_unpacked(path: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open a file for reading what it holds, unpacked.

    Args:
        path: the file, whatever its name. Of an archive with several files, `archive.zip/member` names one.

    Yields:
        The stream, which can seek, and its size in bytes; None where the size is not known before reading.

    Raises:
        DatasetError: the file cannot be read or unpacked, or is an archive that must be unpacked first; also while the
            caller reads the stream.
    """
    archive = _enclosing_zip(path)
    with readable(path):
        if archive is not None:
            with zipfile.ZipFile(archive) as zipped, _member(zipped, path, str(path.relative_to(archive))) as member:
                yield member
            return
        with path.open("rb") as stream:
            start = stream.read(_TAR_OFFSET + len(_TAR))
            stream.seek(0)
            if start.startswith(_ZIP):
                with zipfile.ZipFile(stream) as zipped, _member(zipped, path, _only_member(zipped, path)) as member:
                    yield member
                return
            if start.startswith((_GZIP, _BZIP2, _XZ)):
                with _decompressed(stream, start) as unpacked:
                    _refuse_archives(unpacked.read(_TAR_OFFSET + len(_TAR)), path)
                    unpacked.seek(0)
                    yield unpacked, None
                return
            _refuse_archives(start, path)
            yield stream, path.stat().st_size


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the errors of reading and unpacking a file into `DatasetError`."""
    try:
        yield
    except (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path}: cannot be decompressed ({error}); it was cut off or damaged, get it again"
        ) from error
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: there is no such file") from error
    except OSError as error:  # bz2 says no more than "Invalid data stream"
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: encrypted, or a method that it lacks
        raise DatasetError(f"{path}: cannot be unpacked ({error}); unpack it yourself") from error


def _decompressed(stream: BinaryIO, start: bytes) -> BinaryIO:
    if start.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(stream))
    if start.startswith(_BZIP2):
        return cast(BinaryIO, bz2.open(stream))
    return cast(BinaryIO, lzma.open(stream))


def _enclosing_zip(path: Path) -> Path | None:
    """The archive in `archive.zip/member`; None where the path is a file of its own."""
    if path.exists():
        return None
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    return archive if archive is not None and zipfile.is_zipfile(archive) else None


def _files(zipped: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that hold data: no folders, and nothing that macOS adds."""
    return [
        info
        for info in zipped.infolist()
        if not info.is_dir() and not any(part == "__MACOSX" or part[:1] == "." for part in info.filename.split("/"))
    ]


def _only_member(zipped: zipfile.ZipFile, path: Path) -> str:
    files = _files(zipped)
    if len(files) == 1:
        return files[0].filename
    names = ", ".join(info.filename for info in files[:_LISTED_MEMBERS]) + ", …" * (len(files) > _LISTED_MEMBERS)
    if not files:
        raise DatasetError(f"{path}: is a zip archive without a file")
    raise DatasetError(
        f"{path}: is a zip archive of {len(files)} files ({names}); name one of them, as in {path}/{files[0].filename}"
    )


@contextmanager
def _member(zipped: zipfile.ZipFile, path: Path, name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    try:
        info = zipped.getinfo(name)
    except KeyError as error:
        names = ", ".join(info.filename for info in _files(zipped)[:_LISTED_MEMBERS])
        raise DatasetError(f"{path}: the archive holds no {name}; it holds {names}") from error
    with zipped.open(info) as stream:
        yield cast(BinaryIO, stream), info.file_size


def _refuse_archives(start: bytes, path: Path) -> None:
    """Refuse what must be unpacked by other programs, by its first bytes."""
    kind = next((name for signature, name in _OTHER_ARCHIVES.items() if start.startswith(signature)), None)
    if start[_TAR_OFFSET:] == _TAR:
        kind = "tar archive"
    if kind is not None:
        raise DatasetError(f"{path}: is a {kind}; unpack it, and name the file")
