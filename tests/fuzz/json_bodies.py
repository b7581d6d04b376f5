"""Damaged JSON bodies: values of other types and sizes, odd keys, odd bytes."""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz.answers import Call
from tests.fuzz.examples import JSON

_NUMBERS = (
    0,
    -0.0,
    -1,
    1,
    2,
    255,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    1e-320,
    1e38,
    1e308,
    -1e308,
    0.1,
)
_TEXTS = (
    "",
    " ",
    "\x00",
    "\ud800",
    "a\udfffb",
    "\u202e\u200b\ufeff",
    "e\u0301" * 40,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 8,
    "ß" * 200,
    "x" * 5000,
    "a " * 400,
    "../../etc/passwd",
    "'; DROP TABLE models; --",
    "<script>alert(1)</script>",
    "%s%n{0}${x}",
    "NaN",
    "\r\nx-injected: 1",
    "مرحبا 你好 здравствуй",
    "<b><i>A</b></i> dog &amp; &#0; &#xD800;",
    "=",
    "digits",
    "1",
    "null",
)
_KEYS = ("", "model", "text", "texts", "inputs", "__class__", "\x00", "\ud800", "k" * 300, "colour", "constructor")


def case(rng: random.Random) -> Call:
    """One damaged request."""
    path, example = rng.choice(JSON)
    document: Any = copy.deepcopy(example)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        document = _mutate(rng, document)
    body = _write(rng, document)
    headers = {"content-type": "application/json"}
    if rng.random() < 0.25:
        body = rng.choice(_ON_BYTES)(rng, body)
    if rng.random() < 0.08:
        name, compress = rng.choice((("gzip", gzip.compress), ("deflate", zlib.compress)))
        body, headers["content-encoding"] = compress(body), name
    if rng.random() < 0.05:
        headers["content-type"] = rng.choice(
            ("application/json; charset=utf-16", "APPLICATION/JSON", "text/json", "", "application/json;;;", "*/*")
        )
    if rng.random() < 0.03:
        headers["accept"] = "text/event-stream"
    return Call(path, body, headers)


def _value(rng: random.Random) -> Any:
    return rng.choice(
        (
            lambda: None,
            lambda: rng.choice((True, False)),
            lambda: rng.choice(_NUMBERS),
            lambda: rng.choice(_NUMBERS),
            lambda: rng.choice(_TEXTS),
            lambda: rng.choice(_TEXTS),
            list,
            dict,
            lambda: [rng.choice(_TEXTS) for _ in range(rng.choice((1, 2, 50)))],
            lambda: [rng.choice(_NUMBERS)] * rng.choice((1, 3, 784, 2000)),
            lambda: [[]] * rng.choice((1, 100)),
            lambda: {rng.choice(_KEYS): rng.choice(_TEXTS)},
            lambda: _nested(rng),
        )
    )()


def _nested(rng: random.Random) -> Any:
    value: Any = rng.choice((1, "x", None))
    as_list = rng.random() < 0.5
    for _ in range(rng.choice((3, 30, 120, 300))):
        value = [value] if as_list else {"a": value}
    return value


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document; of a long list only the first items, of a deep one only the upper levels."""
    yield path
    if len(path) == 8:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node[:3]):
            yield from _places(value, (*path, index))


def _mutate(rng: random.Random, document: Any) -> Any:
    place = rng.choice(list(_places(document)))
    if not place:
        return _value(rng) if rng.random() < 0.3 else _add_key(rng, document)
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    key, chance = place[-1], rng.random()
    if chance < 0.55:
        parent[key] = _value(rng)
    elif chance < 0.7:
        del parent[key]
    elif chance < 0.8:
        parent[key] = [parent[key]]
    elif chance < 0.9 and isinstance(parent, list):
        parent.extend([parent[key]] * rng.choice((1, 3, 20)))
    elif isinstance(parent, dict):
        parent[rng.choice(_KEYS)] = parent[key]
    return document


def _add_key(rng: random.Random, document: Any) -> Any:
    if isinstance(document, dict):
        document[rng.choice(_KEYS)] = _value(rng)
    return document


def _write(rng: random.Random, document: Any) -> bytes:
    if rng.random() < 0.5:
        return json.dumps(document).encode()
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _truncate(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _flip(rng: random.Random, body: bytes) -> bytes:
    changed = bytearray(body or b" ")
    for _ in range(rng.choice((1, 1, 3))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _duplicate_key(rng: random.Random, body: bytes) -> bytes:
    key, value = rng.choice((b"model", b"text", b"inputs", b"k", b"top_k")), json.dumps(_value(rng)).encode()
    return b'{"%s":%s,' % (key, value) + body[1:] if body.startswith(b"{") else body


def _insert(rng: random.Random, body: bytes) -> bytes:
    piece = rng.choice(
        (b"\x00", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"NaN", b"1e999", b"-", b"//x\n", b"\\ud800")
    )
    at = rng.randrange(len(body) + 1)
    return body[:at] + piece + body[at:]


def _huge_number(rng: random.Random, body: bytes) -> bytes:
    number = b"9" * rng.choice((20, 400, 4000)) + rng.choice((b"", b".5", b"e9"))
    return body.replace(b"1", number, 1) if b"1" in body else number


_ON_BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _truncate,
    _flip,
    _duplicate_key,
    _insert,
    _huge_number,
    lambda rng, body: body + rng.choice((b"x", b"{}", b"\x00", b",", body)),
    lambda rng, body: b"\xef\xbb\xbf" + body,
    lambda rng, body: body.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-16-be"))),
    lambda rng, body: b"[" * rng.choice((200, 100_000)),
    lambda rng, body: b'{"a":' * rng.choice((200, 50_000)),
    lambda rng, body: rng.choice((b"", b" ", b"null", b"[]", b"0", b'""', b"true")),
)
