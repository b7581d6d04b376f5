"""Local copies of public data files, which are downloaded into the cache if there are none.

Searched in this order: `$LECTERN_DATA/<folder>/<file>` (compressed or not), the cache
`$XDG_CACHE_HOME/lectern`, the public address.
"""

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import httpx

from service.bundle.write_errors import attribute_write_errors
from training.common.data_files import DataFile, SplitDataFile
from training.common.errors import DatasetError
from training.common.progress import progress_bar

_CHUNK = 1 << 16


def fetch(file: DataFile, *, client: Callable[[], httpx.Client] | None = None) -> bytes:
    """Return the decompressed content of a public file; it is downloaded where there is no local copy.

    Args:
        file: the file.
        client: makes the HTTP client to download with, for tests.

    Raises:
        DatasetError: no copy and no network, an address that answers with an error, or bytes with another sha256.
    """
    for path in _copies(file):
        if path.is_file():
            return _content(path, file)
    target = cache_folder() / file.folder / file.name
    _download(file, target, client or _client)
    return _content(target, file)


def has_copy(file: DataFile) -> bool:
    """Whether there is a local copy, so that `fetch` downloads nothing."""
    return any(path.is_file() for path in _copies(file))


def fetch_path(file: DataFile | SplitDataFile, *, client: Callable[[], httpx.Client] | None = None) -> Path:
    """Return the path of a verified copy of a large file; the file is not decompressed.

    For a `SplitDataFile`: the concatenated file, or the archive of its parts.

    Raises:
        DatasetError: as `fetch`.
    """
    local = os.environ.get("LECTERN_DATA")
    target = cache_folder() / file.folder / file.name
    candidates = [(target, file.checksum)]
    if local:
        candidates.insert(0, (Path(local) / file.folder / file.name, file.checksum))
    if local and isinstance(file, SplitDataFile):
        archive = Path(local) / file.folder / f"{Path(file.name).stem}.tar.xz"
        candidates.insert(0, (archive, file.archive_checksum))
    for path, expected in candidates:
        if path.is_file():
            if _file_checksum(path, expected) != expected:
                raise DatasetError(f"{path}: is not as published; remove it and run again to download it")
            return path
    _download(file, target, client or _client)
    return target


def fetch_url(address: str, *, client: Callable[[], httpx.Client] | None = None) -> Path:
    """Return the path in the cache of a file that the user names by its address; it is downloaded once.

    Raises:
        DatasetError: no network, or an address that answers with an error.
    """
    name = (
        re.sub(r"[^\w.+-]", "_", unquote(re.split("[?#]", address)[0]).rsplit("/", 1)[-1])[-100:].lstrip(".") or "data"
    )
    folder = f"urls/{hashlib.sha256(address.encode()).hexdigest()[:16]}"
    target = cache_folder() / folder / name
    if not target.is_file():
        _download(DataFile(folder=folder, name=name, address=address, checksum=""), target, client or _client)
    return target


def _new_digest(expected: str) -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False) if expected.startswith("md5:") else hashlib.sha256()


def _checksum(digest: "hashlib._Hash") -> str:
    """The digest as `DataFile.checksum` writes it."""
    return f"md5:{digest.hexdigest()}" if digest.name == "md5" else digest.hexdigest()


def _file_checksum(path: Path, expected: str) -> str:
    digest = _new_digest(expected)
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return _checksum(digest)


def cache_folder() -> Path:
    """The folder that downloads are kept in: `$XDG_CACHE_HOME/lectern`, else `~/.cache/lectern`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lectern"


def _copies(file: DataFile) -> Iterator[Path]:
    local = os.environ.get("LECTERN_DATA")
    if local:
        folder = Path(local) / file.folder
        yield from (folder / file.name, folder / file.name.removesuffix(".gz"), folder / f"{file.name}.gz")
    yield cache_folder() / file.folder / file.name


def _content(path: Path, file: DataFile) -> bytes:
    """Read and decompress a copy, and check its sha256.

    A decompressed copy of a file that is published compressed has no checksum to compare with: its readers check it.
    """
    packed = path.read_bytes()
    content = _unpack(packed, path) if path.suffix == ".gz" else packed
    published = packed if path.name == file.name else content
    is_decompressed_copy = path.name == file.name.removesuffix(".gz") != file.name
    actual = hashlib.sha256(published).hexdigest()
    if not is_decompressed_copy and actual != file.checksum:
        raise DatasetError(
            f"{path}: sha256 is {actual[:12]}…, not {file.checksum[:12]}… as published; "
            f"remove it and run again to download {file.address}"
        )
    return content


def _unpack(packed: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be decompressed ({error}); remove it and run again") from error


def _client() -> httpx.Client:
    # Identity: the checksum is of the file itself, not of a compressed transfer.
    return httpx.Client(follow_redirects=True, timeout=30.0, headers={"accept-encoding": "identity"})


def _download(file: DataFile | SplitDataFile, target: Path, make_client: Callable[[], httpx.Client]) -> None:
    """Download to a temporary file beside `target`, check the checksum, rename it."""
    remedy = f"put it at $LECTERN_DATA/{file.folder}/{file.name}" if file.checksum else "name its path instead"
    advice = f"get {file.name} by other means and {remedy}"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    digest = _new_digest(file.checksum)
    try:
        with make_client() as client, attribute_write_errors(target, temporary=partial), partial.open("wb") as out:
            for number, address in enumerate(file.addresses, 1):
                text = file.name if len(file.addresses) == 1 else f"{file.name} ({number} of {len(file.addresses)})"
                with _network_errors(address, advice), client.stream("GET", address) as response:
                    if response.status_code != httpx.codes.OK:
                        raise DatasetError(
                            f"{address} answered {response.status_code} {response.reason_phrase}; "
                            f"try later, or {advice}"
                        )
                    _save(response, out, digest, text)
        if file.checksum and _checksum(digest) != file.checksum:
            raise DatasetError(
                f"{file.address} sent other bytes than published (sha256 {_checksum(digest)[:12]}…, "
                f"expected {file.checksum[:12]}…); nothing was kept; try later, or {advice}"
            )
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _save(response: httpx.Response, out: BinaryIO, digest: "hashlib._Hash", name: str) -> None:
    """Append the body to a file and its digest, with a progress bar."""
    total = int(response.headers.get("content-length", 0)) or None
    with progress_bar(total=total, description=f"downloading {name}", unit="B", unit_scale=True) as progress:
        for chunk in response.iter_raw(_CHUNK):
            out.write(chunk)
            digest.update(chunk)
            progress.update(len(chunk))


@contextmanager
def _network_errors(address: str, advice: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DatasetError(
            f"{address} cannot be reached ({type(error).__name__}: {error}); "
            f"check the network and run again, or {advice}"
        ) from error
