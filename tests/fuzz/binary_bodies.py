"""Damaged binary bodies: tensors with lying headers, forms, compressed bodies, random bytes of every content type."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.answers import Call
from tests.fuzz.examples import PATHS
from tests.support.classify_requests import picture

_SIZES = (0, 1, 3, 4, 784, 3135, 3137, 2**31, 2**32, 2**63, -1, 10**30)
_LENGTHS = ("", "0", "-1", "+5", "1e3", "0x10", " 7", "7 ", "9" * 30, "NaN", "1.0", "٣")
_TYPES = ("BOOL", "UINT8", "UINT64", "INT8", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES", "FP8", "", "fp32")
_SHAPES = (
    [],
    [0],
    [-1],
    [1],
    [1, 1, 28, 28],
    [2, 1, 28, 28],
    [784],
    [2**31, 2**31],
    [2**62, 4],
    [1] * 40,
    [1, 784],
    [1.0],
)
_FLOATS = (0.0, 0.5, 1.0, -1.0, 1.5, 1e38, -1e38, float("inf"), float("nan"), 1e-45)

CONTENT_TYPES = (
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "text/plain",
    "text/event-stream",
    "application/xml",
    *(f"image/{kind}" for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff", "svg+xml", "x-icon")),
    "image/",
    ";",
    "x" * 300,
)


def case(rng: random.Random) -> Call:
    """One damaged request."""
    return rng.choice((_tensor, _tensor, _tensor, _form, _form, _urlencoded, _compressed, _random))(rng)


def _tensor(rng: random.Random) -> Call:
    """A binary request of the Open Inference Protocol."""
    model, name, content = rng.choice(
        (
            ("digits", "image", _pixels(rng)),
            ("words-en", "WORD", _bytes_tensor(rng)),
            ("pos-en", "TEXT", _bytes_tensor(rng)),
            ("translate-en-de", "TEXT", _bytes_tensor(rng)),
        )
    )
    size: Any = len(content) if rng.random() < 0.6 else rng.choice((*_SIZES, "4", None, True, 4.0))
    shape: Any = [1, 1, 28, 28] if model == "digits" else [1, 1]
    datatype = "FP32" if model == "digits" else "BYTES"
    document: dict[str, Any] = {
        "inputs": [
            {
                "name": name if rng.random() < 0.95 else rng.choice(("", "other", "x" * 200)),
                "shape": shape if rng.random() < 0.7 else rng.choice(_SHAPES),
                "datatype": datatype if rng.random() < 0.85 else rng.choice(_TYPES),
                "parameters": {"binary_data_size": size},
            }
        ]
    }
    if rng.random() < 0.1:
        document["inputs"] *= rng.choice((0, 2, 30))
    if rng.random() < 0.3:
        document["parameters"] = {"binary_data_output": rng.choice((True, False, None, 1))}
    head = json.dumps(document).encode()
    length = str(len(head)) if rng.random() < 0.75 else rng.choice((*_LENGTHS, str(len(head) - 1), str(len(head) + 1)))
    body = head + content
    if rng.random() < 0.15:
        body = body[: rng.randrange(len(body) + 1)] if rng.random() < 0.5 else body + rng.randbytes(rng.choice((1, 99)))
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": length}
    if rng.random() < 0.1:
        headers["content-type"] = rng.choice(CONTENT_TYPES)
    return Call(f"/v2/models/{model}/infer", body, _latin(headers))


def _pixels(rng: random.Random) -> bytes:
    count = rng.choice((784, 784, 784, 0, 1, 783, 785, 1568))
    if rng.random() < 0.3:
        return rng.randbytes(4 * count)
    return np.full(count, rng.choice(_FLOATS), "<f4").tobytes()


def _bytes_tensor(rng: random.Random) -> bytes:
    text = rng.choice((b"king", b"", b"\xff\xfe", b"\xed\xa0\x80", b"A dog.", b"\x00", b"x" * 2000, rng.randbytes(9)))
    length = len(text) if rng.random() < 0.7 else rng.choice((0, 1, 2**31, 2**32 - 1, len(text) + 1))
    return struct.pack("<I", length) + text + (rng.randbytes(rng.choice((1, 3, 4))) if rng.random() < 0.1 else b"")


def _form(rng: random.Random) -> Call:
    """A form of several parts."""
    path = rng.choice(("/v1/classify", "/translate", "/detect", "/v1/classify?top_k=2", "/v1/tag"))
    boundary = rng.choice((b"b", b"b", b"", b"-" * 70, b"x" * 500, b'"q"', b"\xff"))
    parts = []
    for _ in range(rng.choice((0, 1, 1, 2, 5, 100))):
        name = rng.choice(
            (b"image", b"q", b"source", b"target", b"model", b"top_k", b"", b"\xff", b"x" * 3000, b"format")
        )
        value = rng.choice((picture(3), b"", b"en", b"de", b"A dog.", b"3", b"\xff\xfe", rng.randbytes(200)))
        filename = rng.choice(
            (b"", b'; filename="a.png"', b'; filename=""', b"; filename*=utf-8''%ff", b'; filename="')
        )
        extra = rng.choice((b"", b"content-type: image/png\r\n", b"x" * 9000 + b": 1\r\n", b": \r\n", b"no colon\r\n"))
        parts.append(
            b'--%s\r\ncontent-disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n'
            % (boundary, name, filename, extra, value)
        )
    body = b"".join(parts) + (b"--%s--\r\n" % boundary if rng.random() < 0.8 else b"")
    if rng.random() < 0.3:
        body = _damage(rng, body)
    return Call(path, body, {"content-type": "multipart/form-data; boundary=" + boundary.decode("latin-1")})


def _urlencoded(rng: random.Random) -> Call:
    fields = []
    for _ in range(rng.choice((1, 3, 3, 4, 500))):
        key = rng.choice((b"q", b"source", b"target", b"format", b"alternatives", b"%ff", b"", b"q[]", b"q%00"))
        value = rng.choice((b"A+dog.", b"en", b"de", b"auto", b"%", b"%zz", b"%ff%fe", b"%ed%a0%80", b"9" * 400, b""))
        fields.append(key + rng.choice((b"=", b"=", b"", b"==")) + value)
    body = rng.choice((b"&", b"&", b";", b"&&")).join(fields)
    return Call(rng.choice(("/translate", "/detect")), body, {"content-type": "application/x-www-form-urlencoded"})


def _compressed(rng: random.Random) -> Call:
    content = rng.choice(
        (b'{"text":"A dog.","model":"pos-en"}', b"[" * 3_000_000, b"", b" " * 5_000_000, rng.randbytes(99))
    )
    compress: Callable[[bytes], bytes] = rng.choice(
        (gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4])
    )
    body = compress(content) if rng.random() < 0.7 else _damage(rng, compress(content))
    encoding = rng.choice(("gzip", "deflate", "gzip", "br", "gzip, gzip", "identity", "", "GZIP", "x"))
    return Call(rng.choice(PATHS), body, {"content-type": "application/json", "content-encoding": encoding})


def _raw_deflate(content: bytes) -> bytes:
    """deflate without zlib's head and checksum, as some clients send it."""
    return zlib.compress(content)[2:-4]


def _random(rng: random.Random) -> Call:
    kind = rng.choice(CONTENT_TYPES)
    body = rng.randbytes(rng.choice((0, 1, 2, 7, 100, 3000, 70_000)))
    headers = {"content-type": kind}
    if rng.random() < 0.1:
        headers["inference-header-content-length"] = rng.choice(_LENGTHS)
    return Call(rng.choice(PATHS), body, _latin(headers))


def _damage(rng: random.Random, body: bytes) -> bytes:
    changed = bytearray(body or b"\x00")
    for _ in range(rng.choice((1, 3, 20))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 0.5 else changed)


def _latin(headers: dict[str, str]) -> dict[str, str]:
    """Headers as they can be sent: UTF-8 bytes, written as Latin-1."""
    return {name: value.encode().decode("latin-1") for name, value in headers.items()}
