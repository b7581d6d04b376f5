"""The page and the documentation: their files, the headers that protect them, and where they are."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.testclient import TestClient

from service.api import page_files
from service.api.page_files import FOLDER
from service.api.static_files import SUFFIXES
from service.app import create_app
from service.limits import Limits, variable
from service.settings import Settings
from tests.support.classify_requests import pixels

POLICY = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'self'"
MODULE = re.compile(
    r"""(?:\bfrom|\bimport|\bimport\()\s*['"](\.{1,2}/[^'"]+)['"]|new URL\('([^']+)', import\.meta\.url\)"""
)
COMMENT = re.compile(r"/\*\*.*?\*/", re.DOTALL)
"""They import types, which only the type check reads."""
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES and path.parent != FOLDER)


class References(HTMLParser):
    """Collects what a document loads, and refuses what its policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.plain_scripts: list[str] = []
        """Those that are no modules: they run before the first paint."""
        self.base = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert not [name for name in values if name == "style" or name.startswith("on")], values
        assert tag != "style"
        if tag == "base":
            self.base = values["href"] or ""
        elif tag == "script":
            assert values["src"], "no script within the document"
            self.urls.append(values["src"])
            if values.get("type") != "module":
                self.plain_scripts.append(values["src"])
        elif tag == "link":
            self.urls.append(values["href"] or "")


def loaded_by(client: TestClient, path: str) -> Iterator[tuple[str, str]]:
    """Every file that a document leads to, and its text: by HTML, by modules and the styles beside them."""
    document = References(client.get(path).text)
    base = urljoin(f"http://lectern{path}", document.base)
    waiting, done = [urljoin(base, url) for url in document.urls], set()
    while waiting:
        url = waiting.pop()
        if url in done:
            continue
        done.add(url)
        assert urlsplit(url).netloc == "lectern", "everything comes from the server itself"
        response = client.get(urlsplit(url).path)
        assert response.status_code == 200, url
        yield urlsplit(url).path, response.text
        if url.endswith(".js") and "/vendor/" not in url:
            waiting += [
                urljoin(url, first or second) for first, second in MODULE.findall(COMMENT.sub("", response.text))
            ]


@pytest.mark.parametrize("path", ["/", "//", "/%2f", "/docs", "/docs/", "/docs%2f"])
def test_a_document_and_all_that_it_loads_come_from_the_server(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    loaded = dict(loaded_by(client, path))
    assert any(name.endswith(".js") for name in loaded)
    assert any(name.endswith(".css") for name in loaded)
    for name, text in loaded.items():
        if "/vendor/" not in name:
            assert not re.search(r"https?://(?!www\.w3\.org/)", text), name


def test_the_modules_of_the_frame_are_asked_for_at_once(client: TestClient) -> None:
    """Each module that another imports would otherwise be asked for only once that one is there."""
    document = References(client.get("/").text)
    named = {urljoin("http://lectern/", url) for url in document.urls if url not in document.plain_scripts}
    waiting, needed = ["http://lectern/page/main.js"], set()
    while waiting:
        url = waiting.pop()
        if url not in needed:
            needed.add(url)
            code = COMMENT.sub("", client.get(urlsplit(url).path).text)
            static = re.findall(r"^(?:import|export) [^(]*?from '([^']+)'", code, re.MULTILINE)
            waiting += [urljoin(url, name) for name in static]
    assert {url for url in named if url.endswith(".js")} == needed


def test_every_file_is_reached_from_a_document(client: TestClient) -> None:
    reached = {name for path in ("/", "/docs") for name, _ in loaded_by(client, path)}
    files = {f"/page/{path.relative_to(FOLDER).as_posix()}" for path in FILES if path.suffix in (".js", ".css")}
    assert files <= reached


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/page/vendor/preact.js", "/page/styles/base.css"])
def test_every_answer_is_protected(client: TestClient, path: str) -> None:
    for method in ("GET", "HEAD"):
        headers = client.request(method, path).headers
        assert headers["content-security-policy"].startswith(f"{POLICY}; base-uri 'self'; form-action 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_policy_stands_in_the_answer_to_who_has_the_file(client: TestClient) -> None:
    etag = client.get("/").headers["etag"]
    response = client.get("/", headers={"if-none-match": etag})
    assert response.status_code == 304
    assert response.headers["content-security-policy"].startswith(POLICY)


@pytest.mark.parametrize(
    "path", ["/", "/page/main.js", "/page/frame/app.js", "/page/vendor/preact.js", "/page/icon.svg"]
)
def test_a_file_is_sent_once(client: TestClient, path: str) -> None:
    first = client.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(path, headers={"if-none-match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("identity", False), ("gzip;q=0, *", False), ("", False)],
)
def test_a_text_is_compressed_for_who_accepts_it(client: TestClient, accepted: str, is_compressed: bool) -> None:
    path = FOLDER / "frame/app.js"
    with client.stream("GET", "/page/frame/app.js", headers={"accept-encoding": accepted}) as response:
        content = b"".join(response.iter_raw())
    assert response.headers["vary"] == "accept-encoding"
    assert (response.headers.get("content-encoding") == "gzip") is is_compressed
    assert (gzip.decompress(content) if is_compressed else content) == path.read_bytes()


@pytest.mark.parametrize("prefix", ["", "/models"])
def test_no_request_pays_for_compression(settings: Settings, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    for cached in (page_files._file, page_files._document):
        cached.cache_clear()
    with TestClient(create_app(settings.model_copy(update={"root_path": prefix}))) as client:
        monkeypatch.setattr("gzip.compress", lambda *_, **__: pytest.fail("a request compresses"))
        for path in ("/", "//", "/docs", "/docs/", "/page/vendor/swagger-ui-bundle.js", "/page/main.js"):
            response = client.get(path, headers={"accept-encoding": "gzip"})
            assert (response.headers.get("content-encoding") == "gzip") is (path != "/page/main.js"), "it is small"
            again = client.get(path, headers={"accept-encoding": "gzip", "if-none-match": response.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers.get("vary") == response.headers.get("vary")


def test_the_compressed_file_is_another_entity(client: TestClient) -> None:
    tags = {client.get("/", headers={"accept-encoding": each}).headers["etag"] for each in ("gzip", "identity")}
    assert len(tags) == 2


def test_every_file_has_the_type_that_browsers_ask_for(client: TestClient) -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
    for path in FILES:
        response = client.head(f"/page/{path.relative_to(FOLDER).as_posix()}")
        assert response.status_code == 200, path
        assert response.headers["content-type"].partition(";")[0] == types[path.suffix], path


def test_nothing_else_of_the_machine_is_a_file_of_the_page(client: TestClient) -> None:
    names = [
        "nothing.js",
        "../page_files.py",
        "..%2fpage_files.py",
        "index.html",
        "vendor/preact.d.ts",
        "vendor",
        "%00",
    ]
    for name in (*names, "", "a" * 5000):
        response = client.get(f"/page/{name}")
        assert response.status_code == 404, name
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("prefix", ["", "/models", "/a/b"])
def test_behind_a_prefix_every_address_begins_with_it(settings: Settings, prefix: str) -> None:
    client = TestClient(create_app(settings.model_copy(update={"root_path": prefix})))
    for path in ("/", "//", "/docs", "/docs/"):
        document = References(client.get(path).text)
        # A proxy may show the service under a prefix that the server does not know.
        for seen in (prefix,) if prefix else ("", "/unknown"):
            base = urljoin(f"http://lectern{seen}{path}", document.base)
            assert all(urljoin(base, url).startswith(f"http://lectern{seen}/page/") for url in document.urls), path


def test_the_prefix_of_a_proxy_cannot_break_the_page(settings: Settings) -> None:
    client = TestClient(create_app(settings.model_copy(update={"root_path": '/a</script>b&"c'})))
    assert '<base href="/a&lt;/script&gt;b&amp;&quot;c/">' in client.get("/").text


@pytest.mark.parametrize("prefix", ["", "/models"])
def test_redoc_leads_to_docs(settings: Settings, prefix: str) -> None:
    client = TestClient(create_app(settings.model_copy(update={"root_path": prefix})), follow_redirects=False)
    for path in ("/redoc", "/redoc/"):
        response = client.get(path)
        assert response.status_code == 308
        assert urljoin(f"{prefix}{path}", response.headers["location"]) == f"{prefix}/docs"


def test_page_and_documentation_can_be_turned_off(settings: Settings) -> None:
    client = TestClient(create_app(settings.model_copy(update={"page": False})))
    for path in ("/", "/docs", "/redoc", "/page/main.js"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["detail"] == f"no route {path}; /openapi.json lists them"
    assert client.get("/openapi.json").status_code == 200
    assert client.get("/v2").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2"), ("GET", "/openapi.json"), ("GET", "/nothing"), ("POST", "/v1/classify"),
     ("GET", "/v1/classify"), ("GET", "/metrics"), ("POST", "/v2/models/none/infer")],
)  # fmt: skip
def test_no_answer_is_taken_for_another_type(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, json=pixels(1) if method == "POST" else None)
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]


def test_the_pages_are_no_operations_of_the_document(client: TestClient) -> None:
    assert not {"/", "/docs", "/redoc"} & client.get("/openapi.json").json()["paths"].keys()
    assert not [path for path in client.get("/openapi.json").json()["paths"] if path.startswith("/page")]


def test_the_page_knows_what_a_person_can_do_about_every_limit() -> None:
    advice = (FOLDER / "components/server_message.js").read_text(encoding="utf-8")
    assert not [name for name in Limits.model_fields if f"  {variable(name)}: " not in advice]


def test_the_page_is_small(client: TestClient) -> None:
    """All files, as if every panel were opened, without the documentation."""
    transferred = 0
    for name, _ in loaded_by(client, "/"):
        with client.stream("GET", name, headers={"accept-encoding": "gzip"}) as response:
            transferred += len(b"".join(response.iter_raw()))
    assert transferred < 300_000
