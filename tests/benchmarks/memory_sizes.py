"""Whether the memory of a server stays level under requests of random sizes to all its models.

    python -m tests.benchmarks.memory_sizes [--full | --minutes 2] [--clients 4] [--models models]

Sizes are spread evenly over their logarithm, up to what the limits of a request allow for texts, and up to 4 megapixels
for pictures. The bar: after the first three minutes (or the first 15 %, if shorter) the memory of any minute is at most
5 % above the most of those three, and never over 450 MB.
"""

from __future__ import annotations

import argparse
import io
import math
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.benchmarks.memory_server import MeasuredServer, Sampler, measured_server, post
from tests.support.bars import Report

MOST_MEGABYTES = 450
MOST_GROWTH = 1.05
_SETTLED = 180.0

Request = tuple[str, Any, str]
"""Path, document or bytes, media type."""

_JSON = "application/json"
_ENGLISH = (
    "the dog sleeps in an old house near London while Mary Smith reads a letter from the United Nations . who would "
    "have thought that they saw 42 birds , and not one of them could fly ? nobody came to the meeting in Berlin"
)
_GERMAN = "der Hund schläft in einem alten Haus , während Maria einen Brief aus Berlin liest und niemand kommt ."


def _size(rng: random.Random, largest: int) -> int:
    """A random size from 1 to `largest`, spread evenly over its logarithm."""
    return max(1, round(math.exp(rng.uniform(0, math.log(largest)))))


def _text(rng: random.Random, words: str, largest: int, sentence: int = 60) -> str:
    """Random words with a full stop after every few."""
    length = _size(rng, sentence)
    chosen = rng.choices(words.split(), k=_size(rng, largest))
    return " ".join(word + "." if index % length == length - 1 else word for index, word in enumerate(chosen))


def _pixels(rng: random.Random) -> Request:
    return "/v1/classify", {"pixels": [[[0.5] * 28] * 28] * _size(rng, 64)}, _JSON


def _picture(rng: random.Random) -> Request:
    height, width = (round(math.sqrt(_size(rng, 4_000_000)) * rng.uniform(0.7, 1.0)) + 28 for _ in range(2))
    side = max(28, (height + width) // 2)
    picture = np.full((side, max(28, width)), 235, np.uint8)
    picture[side // 4 : side * 3 // 4, picture.shape[1] // 2 - 3 : picture.shape[1] // 2 + 3] = 20
    image = Image.fromarray(picture).convert(rng.choice(("L", "RGB", "RGBA")))
    form = rng.choice(("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"))
    file = io.BytesIO()
    image.convert("RGB" if form in {"JPEG", "BMP", "GIF"} else image.mode).save(file, form)
    return "/v1/classify", file.getvalue(), f"image/{form.lower()}"


def _tag(rng: random.Random) -> Request:
    model = rng.choice(("pos-en", "ner-en"))
    if rng.random() < 0.5:
        sentences = [rng.choices(_ENGLISH.split(), k=_size(rng, 1000)) for _ in range(_size(rng, 8))]
        return "/v1/tag", {"model": model, "tokens": sentences}, _JSON
    return "/v1/tag", {"model": model, "texts": [_text(rng, _ENGLISH, 3000) for _ in range(_size(rng, 3))]}, _JSON


def _words(rng: random.Random) -> Request:
    words = rng.choices(_ENGLISH.split(), k=_size(rng, 2000))
    if rng.random() < 0.3:
        return "/v1/neighbors", {"model": "words-en", "words": words[:100], "k": _size(rng, 1000)}, _JSON
    if rng.random() < 0.5:
        return "/v1/similarity", {"model": "words-en", "pairs": [[word, "king"] for word in words]}, _JSON
    return "/v1/embeddings", {"model": "words-en", "input": words}, _JSON


def _translate(rng: random.Random) -> Request:
    source, target, words = rng.choice((("en", "de", _ENGLISH), ("de", "en", _GERMAN)))
    texts = [_text(rng, words, 200) for _ in range(_size(rng, 8))]
    return (
        "/v1/translate",
        {"source": source, "target": target, "texts": texts, "beam_size": _size(rng, 8)},
        _JSON,
    )


KINDS: tuple[Callable[[random.Random], Request], ...] = (_pixels, _picture, _tag, _words, _translate)


def _client(server: MeasuredServer, seed: int, stop: threading.Event, statuses: Counter[str]) -> None:
    rng = random.Random(seed)
    connection = server.connect()
    while not stop.is_set():
        path, document, media_type = rng.choice(KINDS)(rng)
        try:
            status: object = post(connection, path, document, media_type)
        except OSError as error:
            status = type(error).__name__
            connection.close()
        statuses[f"{path} {status}"] += 1


def measure(server: MeasuredServer, seconds: float, clients: int, seed: int) -> Sampler:
    """Send random requests and read the memory meanwhile; the figures of every minute are printed."""
    statuses: Counter[str] = Counter()
    stop = threading.Event()
    threads = [
        threading.Thread(target=_client, args=(server, seed * 1000 + index, stop, statuses)) for index in range(clients)
    ]
    started = time.monotonic()
    with Sampler(server) as sampler:
        for thread in threads:
            thread.start()
        minute = 0
        while time.monotonic() - started < seconds:
            time.sleep(min(60.0, max(0.1, seconds - (time.monotonic() - started))))
            most = sampler.highest(minute * 60, math.inf)
            print(f"  minute {minute + 1}: {most:.0f} MB at most, {server.megabytes:.0f} MB now", flush=True)
            minute += 1
        stop.set()
        for thread in threads:
            thread.join()
    for name, count in sorted(statuses.items()):
        print(f"  {name}: {count}")
    return sampler


def main() -> int:
    """Measure and compare with the bars; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="20 minutes")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = (20 if options.full else options.minutes) * 60
    with measured_server(options.models.resolve()) as server:
        print(f"ready: {server.megabytes:.0f} MB, {server.status('Threads')} threads")
        sampler = measure(server, seconds, options.clients, options.seed)
    settled = min(_SETTLED, 0.15 * seconds)
    first, later = sampler.highest(0, settled), sampler.highest(settled, math.inf)
    report = Report()
    report.add("random sizes: most memory with all models", max(first, later), "MB", at_most=MOST_MEGABYTES)
    report.add(f"random sizes: most memory after {settled:.0f} s", later / first, "of before", at_most=MOST_GROWTH)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
