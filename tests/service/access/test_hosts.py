"""Which hosts a request may name, with and without LECTERN_TRUSTED_HOSTS."""

from __future__ import annotations

import pytest

from service.access.hosts import TrustedHosts, allows_model_control, host_of, is_loopback
from service.errors import ConfigurationError
from service.settings import Settings

LOOPBACK_NAMES = ["localhost", "LOCALHOST", "localhost.", "lectern.localhost", "127.0.0.1", "127.8.9.1", "[::1]"]
MAPPED = "[::ffff:127.0.0.1]"
ATTACKERS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil.example.",
    "xn--lcalhost-11a.example",
    "localhost.localdomain.evil.example",
]
NO_HOSTS = [
    "",
    " ",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost/..",
    "localhost, evil.example",
    "localhost evil.example",
    "localhost:80:80",
    "localhost:port",
    "http://localhost",
    "::1",
    "[::1",
    "[::1]evil.example",
    "[::1%25lo]",
    ".localhost",
    "local..host",
    "localhöst",
    "localhost\x00",
    "localhost#",
]


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.:8080", "example.com"),
        ("example.com:", "example.com"),
        ("[::1]:8080", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("my_service", "my_service"),
        *((text, None) for text in NO_HOSTS),
    ],
)
def test_the_host_of_a_header(authority: str, host: str | None) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
@pytest.mark.parametrize("from_page", [True, False])
def test_on_loopback_no_name_that_a_page_could_have(bound: str, from_page: bool) -> None:
    hosts = TrustedHosts((), bound)
    for name in [*LOOPBACK_NAMES, MAPPED]:
        assert hosts.admits(host_of(name), from_page=from_page), name
    for name in [*ATTACKERS, *NO_HOSTS, "192.168.1.5", "8.8.8.8", "[2001:db8::1]", "0.0.0.0", "printer.local"]:
        assert not hosts.admits(host_of(name), from_page=from_page), name


def test_a_name_without_a_dot_on_loopback_is_for_programs() -> None:
    hosts = TrustedHosts((), "127.0.0.1")
    assert hosts.admits("testserver", from_page=False)
    assert not hosts.admits("testserver", from_page=True)


def test_the_name_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.access.hosts.is_loopback", lambda host: True)
    assert TrustedHosts((), "Lectern.test").admits("lectern.test", from_page=True)
    assert not TrustedHosts((), "127.0.0.1").admits("lectern.test", from_page=True)


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.5"])
def test_elsewhere_also_addresses_and_private_names(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gpu1.example.org")
    hosts = TrustedHosts((), bound)
    pod, service = "10.244.0.17:8080", "lectern:8080"
    for name in [*LOOPBACK_NAMES, pod, service, "[2001:db8::1]:8080", "box.local", "api.internal", "gpu1.example.org"]:
        assert hosts.admits(host_of(name), from_page=True), name
    for name in [*ATTACKERS, *NO_HOSTS, "evillocal.example", "internal.evil.example"]:
        assert not hosts.admits(host_of(name), from_page=True), name


def test_configured_hosts() -> None:
    hosts = TrustedHosts(
        ("API.example.com", "*.pages.example", "10.1.2.3", "10.2.0.0/16", "[2001:db8::]", "x.y."), "::"
    )
    for name in ["api.example.com", "api.example.com.", "API.EXAMPLE.COM:443", "a.pages.example", "a.b.pages.example"]:
        assert hosts.admits(host_of(name), from_page=True), name
    for name in ["10.1.2.3", "10.2.200.1:8080", "[2001:db8::]:1", "x.y", *LOOPBACK_NAMES, MAPPED]:
        assert hosts.admits(host_of(name), from_page=True), name
    for name in ["pages.example", "evilpages.example", "10.1.2.4", "10.3.0.1", "lectern", "box.local", *ATTACKERS]:
        assert not hosts.admits(host_of(name), from_page=False), name


def test_every_host() -> None:
    hosts = TrustedHosts(("*",), "127.0.0.1")
    assert hosts.admits("evil.example", from_page=True)
    assert not hosts.admits(None, from_page=True)


@pytest.mark.parametrize(
    "pattern", ["https://a.example", "a.example:80", "a.example/x", "*.", "a*.example", "10.0.0.0/99"]
)
def test_what_is_no_host_is_refused_at_the_start(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="LECTERN_TRUSTED_HOSTS"):
        TrustedHosts((pattern,), "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("no-such-host.invalid", False),
        ("\ud800", False),
    ],
)
def test_whether_only_this_machine_reaches_an_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("host", "control", "allowed"),
    [
        ("127.0.0.1", "auto", True),
        ("localhost", "auto", True),
        ("0.0.0.0", "auto", False),
        ("10.0.0.1", "auto", False),
        ("0.0.0.0", "explicit", True),
        ("127.0.0.1", "none", False),
    ],
)
def test_whether_models_are_loaded_over_http(host: str, control: str, allowed: bool) -> None:
    assert allows_model_control(Settings.model_validate({"host": host, "model_control": control})) is allowed
