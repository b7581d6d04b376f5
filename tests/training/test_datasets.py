"""Where data files come from: the user's copy, the cache, the public address; and what is said when none works."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from training.common.datasets import MNIST, DataFile, cache_folder, fetch
from training.common.errors import DatasetError

pytestmark = pytest.mark.torch

CONTENT = b"content " * 1000
PACKED = gzip.compress(CONTENT, mtime=0)
FILE = DataFile(
    folder="things",
    name="thing.bin.gz",
    address="https://example.org/thing.bin.gz",
    sha256=hashlib.sha256(PACKED).hexdigest(),
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
    plain = replace(FILE, name="thing.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
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
    assert all(file.address.startswith("https://") and len(file.sha256) == 64 for file in MNIST.values())
