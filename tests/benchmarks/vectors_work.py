"""Word vectors for vectors.py: the service's predictor and gensim, each timed in a process of its own.

    python tests/benchmarks/vectors_work.py bundle models/words-en/2 QUERIES
    python tests/benchmarks/vectors_work.py gensim models/words-en/2 QUERIES

QUERIES is a JSON list of words. gensim gets the bundle's vectors in float32. What they read and write is described in
contenders.py; as the tags of a word stand its ten nearest words.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from contenders import serve
from vectors_requests import NEIGHBORS, OPERATIONS, requests

from service.bundle.files import read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor

TOP = 10


def main() -> int:
    """One of the commands in this file's head; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contender", choices=("bundle", "gensim"))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("queries", type=Path)
    options = parser.parse_args()
    words: list[str] = json.loads(options.queries.read_text(encoding="utf-8"))
    {"bundle": _bundle, "gensim": _gensim}[options.contender](options.bundle, words)
    return 0


def _bundle(path: Path, words: Sequence[str]) -> None:
    """The service's predictor as the route calls it, from the body to the answer: no HTTP, no event loop."""
    predictor = load_predictor(read_bundle(path), session_opener(("cpu",), 1, False), Limits())

    def measure(operation: str) -> Callable[[], Any]:
        route, bodies = requests(operation, words)
        return lambda: [predictor.answer(body, route) for body in bodies]

    route, bodies = requests(NEIGHBORS, words)
    begun = time.perf_counter()
    nearest = [
        [entry["word"] for entry in result["neighbors"]]
        for body in bodies
        for result in predictor.answer(body, route)["results"]
    ]
    _ready("Lectern in process", f"onnxruntime {version('onnxruntime')}", nearest, begun)
    serve({operation: measure(operation) for operation in OPERATIONS}, len(words))


def _gensim(path: Path, words: Sequence[str]) -> None:
    """gensim's own functions, called for one pair or word at a time: it has no others."""
    from gensim.models import KeyedVectors

    from training.common.vectors.loading import load_vectors_from

    loaded = load_vectors_from(path)
    vectors = KeyedVectors(loaded.dimensions)
    vectors.add_vectors(loaded.words, loaded.matrix)
    vectors.fill_norms()
    del loaded

    def similarity() -> None:
        for first, second in zip(words, words[1:] + words[:1], strict=True):
            vectors.similarity(first, second)

    def neighbors() -> list[list[str]]:
        return [[name for name, _ in vectors.most_similar(word, topn=TOP)] for word in words]

    begun = time.perf_counter()
    nearest = neighbors()
    _ready("gensim", f"gensim {version('gensim')}, numpy {version('numpy')}", nearest, begun)
    serve({name: neighbors if name.startswith("neighbors") else similarity for name in OPERATIONS}, len(words))


def _ready(name: str, about: str, nearest: list[list[str]], begun: float) -> None:
    ready = {
        "about": f"Python {platform.python_version()}, {about}",
        "measures": {operation: f"{name}, {operation}" for operation in OPERATIONS},
        "tags": nearest,
        "first": len(nearest) / (time.perf_counter() - begun),
    }
    print(json.dumps(ready), flush=True)


if __name__ == "__main__":
    sys.exit(main())
