"""Public data files: where they are, what their bytes must be, and where a copy is looked for before downloading.

Order: `$LECTERN_DATA/<folder>/<file>` (compressed or not), the cache `$XDG_CACHE_HOME/lectern`, the public address.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from training.common.errors import DatasetError
from training.common.progress import bar

_CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One public file. `sha256` is of the bytes at `address`; a file named `*.gz` is handed out decompressed."""

    folder: str
    name: str
    address: str
    sha256: str


_LENET_MIRROR = "https://raw.githubusercontent.com/ansh941/MnistSimpleCNN/a21bd677f62fcdee77c82419b898d421682e3fd2/data"

MNIST = {
    "train-images": DataFile(
        folder="mnist",
        name="train-images-idx3-ubyte.gz",
        address="https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
        sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels": DataFile(
        folder="mnist",
        name="train-labels-idx1-ubyte.gz",
        address=f"{_LENET_MIRROR}/MNIST/raw/train-labels-idx1-ubyte.gz",
        sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test-images": DataFile(
        folder="mnist",
        name="t10k-images-idx3-ubyte.gz",
        address=f"{_LENET_MIRROR}/MNIST/raw/t10k-images-idx3-ubyte.gz",
        sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "test-labels": DataFile(
        folder="mnist",
        name="t10k-labels-idx1-ubyte.gz",
        address=f"{_LENET_MIRROR}/MNIST/raw/t10k-labels-idx1-ubyte.gz",
        sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
"""The four files of MNIST as published in 1998."""


def fetch(file: DataFile, *, client: Callable[[], httpx.Client] | None = None) -> bytes:
    """The content of `file`, decompressed; downloaded into the cache where no copy is at hand.

    Args:
        client: makes the HTTP client to download with; tests hand in their own.

    Raises:
        DatasetError: no copy and no network, an address that answers with an error, or bytes with another sha256.
    """
    for path in _copies(file):
        if path.is_file():
            return _content(path, file)
    target = cache_folder() / file.folder / file.name
    _download(file, target, client or _client)
    return _content(target, file)


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/lectern`, else `~/.cache/lectern`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lectern"


def _copies(file: DataFile) -> Iterator[Path]:
    own = os.environ.get("LECTERN_DATA")
    if own:
        folder = Path(own) / file.folder
        yield from (folder / file.name, folder / file.name.removesuffix(".gz"), folder / f"{file.name}.gz")
    yield cache_folder() / file.folder / file.name


def _content(path: Path, file: DataFile) -> bytes:
    """The decompressed bytes of a copy, which must have the sha256 of the table.

    Of a file that is published compressed, an unpacked copy has no sha256 to be held against: its readers check it.
    """
    packed = path.read_bytes()
    content = _unpack(packed, path) if path.suffix == ".gz" else packed
    published = packed if path.name == file.name else content
    unpacked = path.name == file.name.removesuffix(".gz") != file.name
    found = hashlib.sha256(published).hexdigest()
    if not unpacked and found != file.sha256:
        raise DatasetError(
            f"{path}: sha256 is {found[:12]}…, not {file.sha256[:12]}… as published; "
            f"remove it and run again to download {file.address}"
        )
    return content


def _unpack(packed: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be decompressed ({error}); remove it and run again") from error


def _client() -> httpx.Client:
    # Identity: the bytes that are hashed are the file's own, not packed once more on the way.
    return httpx.Client(follow_redirects=True, timeout=30.0, headers={"accept-encoding": "identity"})


def _download(file: DataFile, target: Path, make_client: Callable[[], httpx.Client]) -> None:
    """Download to a neighbour of `target`, check the sha256, rename into place."""
    advice = f"get {file.name} by other means and put it at $LECTERN_DATA/{file.folder}/{file.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with _network_errors(file, advice), make_client() as client, client.stream("GET", file.address) as answer:
            if answer.status_code != httpx.codes.OK:
                raise DatasetError(
                    f"{file.address} answered {answer.status_code} {answer.reason_phrase}; try later, or {advice}"
                )
            digest = _save(answer, partial, file.name)
        if digest != file.sha256:
            raise DatasetError(
                f"{file.address} sent other bytes than published (sha256 {digest[:12]}…, "
                f"expected {file.sha256[:12]}…); nothing was kept; try later, or {advice}"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _save(answer: httpx.Response, path: Path, name: str) -> str:
    """Write the body with a progress bar and return its sha256."""
    digest = hashlib.sha256()
    total = int(answer.headers.get("content-length", 0)) or None
    with path.open("wb") as out, bar(total=total, text=f"downloading {name}", unit="B", scaled=True) as progress:
        for chunk in answer.iter_raw(_CHUNK):
            out.write(chunk)
            digest.update(chunk)
            progress.update(len(chunk))
    return digest.hexdigest()


@contextmanager
def _network_errors(file: DataFile, advice: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise DatasetError(
            f"{file.address} cannot be reached ({type(error).__name__}: {error}); "
            f"check the network and run again, or {advice}"
        ) from error
