"""API keys: what a line of the key file says.

The file holds the SHA-256 of each key. A slow hash as for passwords would protect nothing: a key has 256 random bits,
which nobody finds by trying, and every request would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from service.access.rates import Rate, parse_rates
from service.access.scopes import KeyScope

PREFIX = "lectern_"
"""Begins every key, so that scanners for leaked secrets recognize one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:([0-9a-fA-F]{64})")
_MAX_KEY_CHARACTERS = 512


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key of the file."""

    name: str
    scopes: frozenset[KeyScope]
    digest: bytes
    """SHA-256 of the key."""
    rates: tuple[Rate, ...] = ()

    def __str__(self) -> str:
        """Its line in the key file."""
        scopes = ",".join(scope.value for scope in KeyScope if scope in self.scopes)
        rates = " " + ",".join(map(str, self.rates)) if self.rates else ""
        return f"{self.name} {scopes} sha256:{self.digest.hex()}{rates}"


class KeyRing:
    """The keys of a file, found by their text.

    Keys are looked up by a keyed hash whose secret is made anew in every process, so that the time of a look-up says
    nothing about the stored hashes.
    """

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._secret = secrets.token_bytes(32)
        self._keys = {self._index(key.digest): key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> ApiKey | None:
        """The key that is written `text`; None if there is no such key."""
        if len(text) > _MAX_KEY_CHARACTERS:
            return None
        digest = hash_key(text)
        key = self._keys.get(self._index(digest))
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def _index(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, digest_size=16, key=self._secret).digest()


def hash_key(text: str) -> bytes:
    """The SHA-256 of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def new_key() -> str:
    """A new key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def parse_keys(text: str) -> list[ApiKey]:
    """Parse a key file: a line for each key, `name scopes sha256:hex [limit]`; `#` begins a comment.

    Raises:
        ValueError: naming the first line that is wrong, and what would be right. It never repeats the line, which may
            hold a key by mistake.
    """
    keys: list[ApiKey] = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            key = _parse_key(fields)
            if any(other.name == key.name for other in keys):
                raise ValueError(f"there is another key named {key.name!r}; give each its own name")
            if any(other.digest == key.digest for other in keys):
                raise ValueError("another line has the same key; make one for each with `lectern keys new`")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        keys.append(key)
    return keys


def parse_scopes(text: str) -> frozenset[KeyScope]:
    """Parse scopes that are separated by commas.

    Raises:
        ValueError: one is unknown.
    """
    known = {scope.value: scope for scope in KeyScope}
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"scope {unknown[0][:20]!r} is unknown; write one or several of {', '.join(known)}")
    return frozenset(known[name] for name in names)


def check_name(name: str) -> str:
    """Return `name` if it can name a key; raise ValueError saying what can."""
    if not _NAME.fullmatch(name):
        raise ValueError("a key's name has letters, digits, '.', '_' and '-', at most 64")
    return name


def _parse_key(fields: list[str]) -> ApiKey:
    if not 3 <= len(fields) <= 4:
        raise ValueError("expected `name scopes sha256:hex [limit]`; `lectern keys new` writes such a line")
    match = _HASH.fullmatch(fields[2])
    if match is None:
        raise ValueError("the third field must be sha256: and 64 hexadecimal digits, as `lectern keys new` writes it")
    return ApiKey(
        name=check_name(fields[0]),
        scopes=parse_scopes(fields[1]),
        digest=bytes.fromhex(match[1]),
        rates=parse_rates(fields[3]) if len(fields) == 4 else (),
    )
