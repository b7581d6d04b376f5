"""Which requests come from a web page of another origin."""

from __future__ import annotations

import pytest

from service.access.origins import is_foreign, normalize_origin, parse_origins
from service.errors import ConfigurationError

HOST = "localhost:8080"
APP = "https://app.example.com"


def foreign(
    *,
    origin: str | None = None,
    site: str | None = None,
    referer: str | None = None,
    host: str = HOST,
    allowed: tuple[str, ...] = (),
) -> bool:
    given = ([value] if value is not None else [] for value in (origin, site, referer))
    return is_foreign(*given, host, parse_origins(allowed))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:8080"),
        ("HTTP://LOCALHOST:8080", "LocalHost:8080"),
        ("http://localhost", "localhost"),
        ("http://localhost:80", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://api.example.com", "api.example.com"),  # TLS ends at a proxy.
        ("https://api.example.com", "api.example.com:443"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://localhost:8080", "localhost.:8080"),
    ],
)
def test_pages_of_this_server(origin: str, host: str) -> None:
    assert not foreign(origin=origin, host=host)
    assert not foreign(origin=origin, site="same-origin", host=host)
    assert not foreign(referer=f"{origin}/docs?x=1#y", host=host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost",
        "http://localhost:3000",
        "https://localhost",
        "http://localhost:80800",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://localhost:8080.evil.example",
        "http://localhost:8080@evil.example",
        "http://evil.example#localhost:8080",
        "http://evil.example?localhost:8080",
        "http://evil.example\\@localhost:8080",
        "http://localhost:8080, https://evil.example",
        "chrome-extension://localhost:8080",
        "file://",
        "null",
        "",
        "localhost:8080",
    ],
)
def test_pages_of_others(origin: str) -> None:
    assert foreign(origin=origin)
    assert foreign(origin=origin, site="same-origin")
    assert foreign(origin=origin, site="none")
    assert foreign(referer=origin)
    assert foreign(origin=origin, allowed=("*",)), "the setting for reading answers is no leave to change anything"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "unknown"])
def test_what_the_browser_says_of_the_site(site: str) -> None:
    assert foreign(site=site)
    assert foreign(site=site, origin=f"http://{HOST}")
    assert foreign(site=site, referer=f"http://{HOST}/docs")


def test_programs() -> None:
    assert not foreign()
    assert not foreign(site="none")
    assert not foreign(site="same-origin")
    assert not foreign(site="same-origin", referer="https://evil.example/")  # The browser knows better.


def test_allowed_origins() -> None:
    for site in (None, "cross-site", "same-site"):
        assert not foreign(origin=APP, site=site, allowed=(APP,))
        assert not foreign(origin=APP + ":443", site=site, allowed=(APP,))
        assert foreign(origin="https://evil.example", site=site, allowed=(APP,))
        assert foreign(origin="http://app.example.com", site=site, allowed=(APP,))
        assert foreign(origin=APP + ".evil.example", site=site, allowed=(APP,))
    assert is_foreign([APP, "https://evil.example"], [], [], HOST, parse_origins((APP,)))


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:0081", "http://a.example:81"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("app://a", "app://a"),
        ("https://a.example/path", None),
        ("https://u@a.example", None),
        ("a.example", None),
        ("null", None),
    ],
)
def test_origins_as_browsers_write_them(text: str, origin: str | None) -> None:
    assert normalize_origin(text) == origin


@pytest.mark.parametrize("text", ["a.example", "https://a.example/", "null", "https://*.example"])
def test_what_is_no_origin_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LECTERN_CORS_ORIGINS"):
        parse_origins((text,))
