"""Data files from the user's copy, the cache or the public address, and the errors when none works."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from training.common.data_files import MNIST, TEXT8, WIKIPEDIA_EN_2015, DataFile, SplitDataFile
from training.common.downloads import cache_folder, fetch, fetch_path
from training.common.errors import DatasetError

pytestmark = pytest.mark.torch

CONTENT = b"content " * 1000
PACKED = gzip.compress(CONTENT, mtime=0)
FILE = DataFile(
    folder="things",
    name="thing.bin.gz",
    address="https://example.org/thing.bin.gz",
    checksum=hashlib.sha256(PACKED).hexdigest(),
)


class Server:
    """Answers requests in-process and counts them."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.requests = 0
        self.answer = answer

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        assert str(request.url) == FILE.address
        return self.answer(request)


@pytest.fixture(autouse=True)
def _no_own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LECTERN_DATA", raising=False)


def nothing_kept() -> bool:
    return not any(path.is_file() for path in cache_folder().rglob("*"))


def test_downloads_once_then_reads_the_cache() -> None:
    server = Server(lambda _: httpx.Response(200, stream=httpx.ByteStream(PACKED)))
    assert fetch(FILE, client=server.client) == CONTENT
    assert fetch(FILE, client=server.client) == CONTENT
    assert server.requests == 1
    assert [path.name for path in (cache_folder() / "things").iterdir()] == ["thing.bin.gz"]


@pytest.mark.parametrize("name", ["thing.bin.gz", "thing.bin"])
def test_own_data_come_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own" / "things").mkdir(parents=True)
    (tmp_path / "own" / "things" / name).write_bytes(PACKED if name.endswith(".gz") else CONTENT)
    monkeypatch.setenv("LECTERN_DATA", str(tmp_path / "own"))
    server = Server(lambda _: httpx.Response(500))
    assert fetch(FILE, client=server.client) == CONTENT
    assert server.requests == 0


def test_own_data_may_be_compressed_where_the_public_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = replace(FILE, name="thing.bin", checksum=hashlib.sha256(CONTENT).hexdigest())
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "thing.bin.gz").write_bytes(PACKED)
    monkeypatch.setenv("LECTERN_DATA", str(tmp_path))
    assert fetch(plain) == CONTENT
    (tmp_path / "things" / "thing.bin.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(DatasetError, match=r"thing\.bin\.gz: sha256 is"):
        fetch(plain)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            httpx.Response(404),
            "https://example.org/thing.bin.gz answered 404 Not Found; try later, or get thing.bin.gz",
        ),
        (httpx.Response(200, stream=httpx.ByteStream(b"<html>")), "sent other bytes than published.*nothing was kept"),
    ],
)
def test_what_is_not_the_file_is_refused(answer: httpx.Response, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        fetch(FILE, client=Server(lambda _: answer).client)
    assert nothing_kept()


def test_no_network_names_the_address_and_the_way_out() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request)

    with pytest.raises(DatasetError) as caught:
        fetch(FILE, client=Server(fail).client)
    assert "https://example.org/thing.bin.gz cannot be reached (ConnectError: Name or service not known)" in str(
        caught.value
    )
    assert "$LECTERN_DATA/things/thing.bin.gz" in str(caught.value)
    assert nothing_kept()


def test_a_damaged_copy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = cache_folder() / "things" / "thing.bin.gz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(PACKED + b"more")
    with pytest.raises(DatasetError, match=r"thing\.bin\.gz: cannot be decompressed"):
        fetch(FILE)
    copy.write_bytes(gzip.compress(CONTENT[1:]))
    with pytest.raises(DatasetError, match=r"thing\.bin\.gz: sha256 is .* remove it and run again"):
        fetch(FILE)


def test_the_table_of_mnist_is_complete() -> None:
    assert set(MNIST) == {"train-images", "train-labels", "test-images", "test-labels"}
    assert all(file.address.startswith("https://") and len(file.checksum) == 64 for file in MNIST.values())


PARTS = [f"part {number}\n".encode() for number in range(3)]
SERIES = SplitDataFile(
    folder="series",
    name="text.txt",
    address="https://example.org/part_{:02d}",
    count=3,
    checksum=hashlib.sha256(b"".join(PARTS)).hexdigest(),
    archive_checksum=hashlib.sha256(b"archive").hexdigest(),
)


def series_client(broken: int | None = None) -> Callable[[], httpx.Client]:
    """A client for which one part of the series may be missing."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path[-2:])
        if number == broken:
            return httpx.Response(404)
        return httpx.Response(200, stream=httpx.ByteStream(PARTS[number]))

    return lambda: httpx.Client(transport=httpx.MockTransport(answer))


def test_a_series_is_kept_as_one_file() -> None:
    path = fetch_path(SERIES, client=series_client())
    assert path == cache_folder() / "series" / "text.txt"
    assert path.read_bytes() == b"".join(PARTS)
    assert fetch_path(SERIES, client=series_client(broken=0)) == path


def test_a_series_with_a_gap_is_refused() -> None:
    with pytest.raises(DatasetError, match="part_01 answered 404"):
        fetch_path(SERIES, client=series_client(broken=1))
    with pytest.raises(DatasetError, match="sent other bytes than published"):
        fetch_path(replace(SERIES, count=2), client=series_client())
    assert nothing_kept()


def test_the_own_archive_of_a_series_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_DATA", str(tmp_path))
    (tmp_path / "series").mkdir()
    archive = tmp_path / "series" / "text.tar.xz"
    archive.write_bytes(b"archive")
    assert fetch_path(SERIES, client=series_client(broken=0)) == archive
    archive.write_bytes(b"other")
    with pytest.raises(DatasetError, match=r"text\.tar\.xz: is not as published"):
        fetch_path(SERIES)


def test_an_md5_will_do_where_no_sha256_is_published() -> None:
    published = replace(FILE, checksum=f"md5:{hashlib.md5(PACKED, usedforsecurity=False).hexdigest()}")
    server = Server(lambda _: httpx.Response(200, stream=httpx.ByteStream(PACKED)))
    path = fetch_path(published, client=server.client)
    assert path.read_bytes() == PACKED  # a path is of the file as published
    assert fetch_path(published, client=server.client) == path
    assert server.requests == 1


def test_the_table_of_texts_is_complete() -> None:
    assert TEXT8.checksum == "md5:3bea1919949baf155f99411df5fada7e"
    assert [part.name for part in WIKIPEDIA_EN_2015] == [f"text_{part}.txt" for part in ("AA", "AB", "AC", "AD")]
    for part in WIKIPEDIA_EN_2015:
        assert len(part.addresses) == 100
        assert part.addresses[7].endswith("/wiki_07")
