"""The shipped models on two execution providers beside each other: CPU time of one batch, and whether they agree.

    .venv-openvino/bin/python -m tests.benchmarks.provider_speed --provider openvino
    .venv-gpu/bin/python -m tests.benchmarks.provider_speed --provider cuda --wall

Both run in one process, with the same onnxruntime, in pairs that alternate: an image, a sentence of 12 words, a word
and its neighbors, or a sentence's translation by beam search, times the batch. Printed are medians in milliseconds for
each item, and the median of the pairs' ratios: above 1 the provider is faster. `--wall` measures wall time, as CPU time
says nothing of a GPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.bundle.files import Bundle, read_bundle, versions
from service.bundle.manifest import Task
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import Predictor, load_predictor

_BATCHES = (1, 8, 64)
_SENTENCES = {
    "en": "My brother and his two friends walked home through the rain .",
    "de": "Mein Bruder und seine zwei Freunde gingen durch den Regen heim .",
    "fr": "Mon frère et ses deux amis sont rentrés chez eux ce soir .",
}


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (default: models)")
    parser.add_argument("--provider", default="openvino", help="the provider that is compared with the CPU's")
    parser.add_argument("--threads", type=int, default=1, help="threads of one run (default: 1)")
    parser.add_argument("--seconds", type=float, default=4, help="time for each row (default: 4)")
    parser.add_argument("--wall", action="store_true", help="measure wall time instead of CPU time")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all by default")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    print(f"| model | batch | cpu, ms each | {options.provider}, ms each | times as fast |\n|---|---|---|---|---|")
    for folder in sorted(path for path in options.models.resolve().iterdir() if path.is_dir()):
        if options.names and folder.name not in options.names:
            continue
        bundle = read_bundle(folder / str(versions(folder)[-1]))
        pair = [_open(bundle, provider, options.threads) for provider in ("cpu", options.provider)]
        for batch in _BATCHES:
            runs = [_run(predictor, _body(bundle, batch)) for predictor in pair]
            times = _alternate(runs, clock, options.seconds)
            ours, theirs = (1e3 * statistics.median(column) / batch for column in zip(*times, strict=True))
            ratio = statistics.median(cpu / other for cpu, other in times)
            print(f"| {folder.name} | {batch} | {ours:.3f} | {theirs:.3f} | {ratio:.2f} |", flush=True)
    return 0


def _open(bundle: Bundle, provider: str, threads: int) -> Predictor[Any]:
    options = {"OpenVINOExecutionProvider": {"num_of_threads": str(threads)}} if provider == "openvino" else {}
    return load_predictor(bundle, session_opener((provider,), threads, True, options=options), Limits())


def _run(predictor: Predictor[Any], body: dict[str, Any]) -> Callable[[], object]:
    """A function that runs the model on a batch."""
    schema = next(schema for route, schema in predictor.routes.items() if body["route"] in (None, route))
    request = predictor.parse(schema.model_validate({name: value for name, value in body.items() if name != "route"}))
    return lambda: predictor.infer(predictor.preprocess(request))


def _body(bundle: Bundle, batch: int) -> dict[str, Any]:
    manifest = bundle.manifest
    if manifest.task is Task.IMAGE_CLASSIFICATION:
        pixels: Any = bundle.samples()[0].request["pixels"]
        return {"route": None, "pixels": pixels[:1] * batch}
    if manifest.task is Task.WORD_VECTORS:
        words = bundle.file("vocabulary.txt").read_text(encoding="utf-8").split("\n")[100 : 100 + batch]
        return {"route": "/v1/neighbors", "words": [word.split("\t")[0].split(" ")[0] for word in words], "k": 10}
    if manifest.task is Task.TRANSLATION:
        languages = {"source": manifest.preprocessing["source"], "target": manifest.preprocessing["target"]}
        return {"route": None, **languages, "texts": [_SENTENCES[str(languages["source"])]] * batch}
    return {"route": None, "tokens": [_SENTENCES[manifest.name.rpartition("-")[2]].split()] * batch}


def _alternate(
    runs: list[Callable[[], object]], clock: Callable[[], float], seconds: float
) -> list[tuple[float, float]]:
    """Times of both, in pairs, the first pairs left out as OpenVINO compiles for each new shape."""
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(times) < 7 or time.perf_counter() < end:
        pair = []
        for run in runs:
            start = clock()
            run()
            pair.append(clock() - start)
        times.append((pair[0], pair[1]))
    return times[2:]


if __name__ == "__main__":
    sys.exit(main())
