"""Damaged pictures of every format that is read: flipped bits, cut, spliced, lying about their size."""

from __future__ import annotations

import base64
import io
import json
import random
from functools import lru_cache

import numpy as np
from PIL import Image

from tests.fuzz.answers import Call

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
_MODES = ("L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16", "F", "YCbCr")


@lru_cache
def whole() -> tuple[tuple[str, bytes], ...]:
    """Format and content of small pictures in every color model that each format has."""
    gray = np.full((40, 36), 255, np.uint8)
    gray[8:32, 16:20] = 0
    pictures = []
    for form in FORMATS:
        for mode in _MODES:
            for options in _OPTIONS.get(form, ({},)):
                stream = io.BytesIO()
                try:
                    image = (
                        Image.fromarray(gray).convert("I").convert(mode) if mode == "I;16" else Image.fromarray(gray)
                    )
                    image.convert(mode).save(stream, form, **options)
                except (OSError, ValueError, KeyError):
                    continue  # The format does not have this color model.
                pictures.append((form, stream.getvalue()))
    frames = [Image.fromarray(np.roll(gray, 3 * index, axis=1)) for index in range(4)]
    for form in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        stream = io.BytesIO()
        frames[0].save(stream, form, save_all=True, append_images=frames[1:])
        pictures.append((form, stream.getvalue()))
    return tuple(pictures)


_OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({}, {"progressive": True}, {"quality": 5, "restart_marker_rows": 1}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "jpeg"}),
    "WEBP": ({}, {"lossless": True}),
    "PNG": ({}, {"compress_level": 0}),
}


def case(rng: random.Random) -> Call:
    """One damaged picture, sent as a body, as a part of a form or as base64."""
    form, content = rng.choice(whole())
    for _ in range(rng.choice((1, 1, 2))):
        content = rng.choice((_flip, _flip, _cut, _splice, _overwrite, _number, _repeat))(rng, content)
    kind = f"image/{form.lower()}" if rng.random() < 0.9 else f"image/{rng.choice(FORMATS).lower()}"
    chance = rng.random()
    if chance < 0.7:
        return Call("/v1/classify", content, {"content-type": kind})
    if chance < 0.85:
        body = json.dumps({"images": [base64.b64encode(content).decode()]}).encode()
        return Call("/v1/classify", body, {"content-type": "application/json"})
    head = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return Call("/v1/classify", head + content + b"\r\n--b--\r\n", {"content-type": "multipart/form-data; boundary=b"})


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content or b"\x00")
    for _ in range(rng.choice((1, 1, 4, 40))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _splice(rng: random.Random, content: bytes) -> bytes:
    other = rng.choice(whole())[1]
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]


def _overwrite(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    piece = rng.choice((b"\xff" * 4, b"\x00" * 4, b"\xff\xff\xff\x7f", rng.randbytes(8)))
    return content[:at] + piece + content[at + len(piece) :]


def _number(rng: random.Random, content: bytes) -> bytes:
    """Replace one of the numbers near the beginning, where formats keep width, height, depth and offsets."""
    at, size = rng.randrange(min(len(content), 64) + 1), rng.choice((2, 4))
    value = rng.choice((0, 1, 0x7FFF, 0xFFFF, 20_000, 5_000)) % (1 << 8 * size)
    return content[:at] + value.to_bytes(size, rng.choice(("big", "little"))) + content[at + size :]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    begin = rng.randrange(len(content) + 1)
    piece = content[begin : begin + rng.choice((8, 64, 500))]
    return content[:begin] + piece * rng.choice((2, 50, 300)) + content[begin:]
