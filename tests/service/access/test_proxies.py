"""Which proxies are trusted, and which client their X-Forwarded-For names."""

from __future__ import annotations

import pytest

from service.access.proxies import TrustedProxies

PROXIES = TrustedProxies(("10.0.0.0/24", "192.0.2.7", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.9", True),
        ("10.0.1.9", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:DB8:0:0::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.0.0.9", True),
        ("::ffff:10.0.1.9", False),
        ("10.0.0.0/24", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_trusted(host: str | None, expected: bool) -> None:
    assert (host in PROXIES) is expected
    assert host in TrustedProxies(["*"])
    assert host in TrustedProxies(["10.0.0.1", "*"])
    assert host not in TrustedProxies([])


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("203.0.113.9", ("203.0.113.9", 0)),
        ("203.0.113.9:4242", ("203.0.113.9", 4242)),
        ("2001:db9::1", ("2001:db9::1", 0)),
        ("[2001:db9::1]", ("2001:db9::1", 0)),
        ("[2001:db9::1]:4242", ("2001:db9::1", 4242)),
        ("1.2.3.4, 203.0.113.9 ,10.0.0.7", ("203.0.113.9", 0)),
        ("203.0.113.9, 10.0.0.7:443, [2001:db8::2]:443", ("203.0.113.9", 0)),
        ("10.0.0.8, 10.0.0.7", ("10.0.0.8", 0)),
        ("1.2.3.4, unknown", ("", 0)),
        ("1.2.3.4:http", ("", 0)),
        ("[2001:db9::1", ("", 0)),
        ("10.0.0.7,", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(forwarded: str, expected: tuple[str, int]) -> None:
    assert PROXIES.client_named(forwarded) == expected
    assert PROXIES.client_of("10.0.0.1", forwarded) == (expected[0] or "10.0.0.1")
    assert PROXIES.client_of("198.51.100.1", forwarded) == "198.51.100.1"


def test_if_all_are_trusted_the_client_is_the_first() -> None:
    assert TrustedProxies(["*"]).client_of("", "1.2.3.4, 203.0.113.9") == "1.2.3.4"


def test_without_the_header_the_client_is_who_connects() -> None:
    assert PROXIES.client_of("10.0.0.1", None) == "10.0.0.1"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits set"):
        TrustedProxies(["10.0.0.1/8"])
