"""Lectern's taggers, for tagging.py: the service's predictor and PyTorch, each timed in a process of its own.

    python tests/benchmarks/tagging_work.py bundle models/pos-en/4 SENTENCES
    python tests/benchmarks/tagging_work.py run runs/pos SENTENCES

What they read and write is described in contenders.py.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from contenders import serve

from service.bundle.files import Bundle, read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.predictor import SENTENCES, TAGGED
from service.tasks.token_classification.schemas import TagBody

Sentences = list[list[str]]
Measures = dict[str, tuple[str, Callable[[], Any]]]
"""What can be measured: how its row is called, and one pass over all sentences."""


def main() -> int:
    """One of the commands in this file's head; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("bundle", _bundle), ("run", _run)):
        command = commands.add_parser(name)
        command.add_argument("path", type=Path)
        command.add_argument("sentences", type=Path)
        command.add_argument("--batch", type=int, default=64, help="sentences at a time (64)")
        command.set_defaults(run=run)
    options = parser.parse_args()
    options.run(options)
    return 0


def _bundle(options: argparse.Namespace) -> None:
    """The service's predictor, as it is called by the server's batcher: no HTTP, no event loop."""
    bundle = read_bundle(options.path)
    predictor = load_predictor(bundle, session_opener(("cpu",), 1, False), Limits())
    assert isinstance(predictor, TokenClassificationPredictor)
    predictor.infer(predictor.scheduling.warm_up())
    batches = list(_batches(options))
    tensors = [{SENTENCES: _objects(batch)} for batch in batches]

    def tag() -> list[list[str]]:
        return [list(one.tags) for batch in tensors for one in predictor.infer(batch)[TAGGED]]

    def answer() -> None:
        for batch in batches:
            request = predictor.parse(TagBody(tokens=batch))
            predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))

    measures: Measures = {
        "tags": ("Lectern, tags and probabilities", tag),
        "answer": ("Lectern, the answer of /v1/tag as JSON", answer),
    }
    _work(f"onnxruntime {version('onnxruntime')}, {_size(bundle)}", batches, measures)


def _run(options: argparse.Namespace) -> None:
    """The run's kept weights in PyTorch, eager."""
    import torch

    from training.bilstm_crf.config import FAMILY
    from training.bilstm_crf.tagger import load_tagger
    from training.common.run import Run

    torch.set_num_threads(1)
    tagger = load_tagger(Run.open(options.path, family=FAMILY))
    batches = list(_batches(options))
    tagger.tag([["Warm", "up", "."]])

    def tag() -> list[list[str]]:
        return [tags for batch in batches for tags in tagger.tag(batch)]

    _work(f"torch {torch.__version__}", batches, {"tags": ("PyTorch eager, the same weights", tag)})


def _work(about: str, batches: list[Sentences], measures: Measures) -> None:
    """Tag all once, then measure whatever is asked for."""
    words = sum(len(sentence) for batch in batches for sentence in batch)
    begun = time.perf_counter()
    tags = measures["tags"][1]()
    first = words / (time.perf_counter() - begun)
    labels = {name: label for name, (label, _) in measures.items()}
    print(json.dumps({"about": about, "measures": labels, "tags": tags, "first": first}), flush=True)
    serve({name: run for name, (_, run) in measures.items()}, words)


def _batches(options: argparse.Namespace) -> Iterator[Sentences]:
    sentences = [json.loads(line)["words"] for line in options.sentences.read_text(encoding="utf-8").split("\n")[:-1]]
    for start in range(0, len(sentences), options.batch):
        yield sentences[start : start + options.batch]


def _objects(sentences: Sentences) -> np.ndarray[Any, Any]:
    array = np.empty(len(sentences), object)
    for place, sentence in enumerate(sentences):
        array[place] = sentence
    return array


def _size(bundle: Bundle) -> str:
    graph = bundle.file(bundle.manifest.graphs["model"].file).stat().st_size
    return f"numpy {version('numpy')}, Python {platform.python_version()}, graph of {graph / 1e6:.2f} MB"


if __name__ == "__main__":
    sys.exit(main())
