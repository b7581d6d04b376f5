"""One model on one execution provider, beside the CPU: its samples, nodes, times and memory, as JSON.

    python -m tests.benchmarks.model_speed models/digits/2 cuda --batches 1 8 64 512

`gpu_check.py` runs it in a process of its own for each model and provider, so that memory is that of one model and a
crash loses one row. After the memory was read, another provider and the CPU's run in turn: the ratios of such pairs
hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.bundle.files import first_line, read_bundle
from service.limits import Limits
from service.runtime.cpus import available_cpus
from service.runtime.provider_options import parse_options
from service.runtime.session import Tensors, session_opener
from service.serving.sample_batches import repeated, sample_rows
from service.tasks import Predictor, load_predictor

_MOST_RUNS = 15


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all available (0)")
    parser.add_argument("--options", default="", help="as LECTERN_PROVIDER_OPTIONS: openvino.precision=FP32")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each batch size, at most (2)")
    options = parser.parse_args(argv)
    try:
        figures = measure(
            options.bundle,
            options.provider,
            options.batches,
            options.threads or available_cpus(),
            options.seconds,
            options.options,
        )
    except Exception as error:  # Whatever a provider does becomes a row of the table.
        figures = {"error": first_line(error)}
    print(json.dumps(figures))
    return 0


def measure(
    path: Path, provider: str, batches: Sequence[int], threads: int, seconds: float, options: str = ""
) -> dict[str, Any]:
    """The figures of a bundle on a provider; times in seconds, memory in bytes."""
    bundle = read_bundle(path)
    started = time.perf_counter()
    opener = session_opener((provider,), threads, False, options=parse_options(options))
    predictor: Predictor[Any] = load_predictor(bundle, opener, Limits())
    loading = time.perf_counter() - started
    reports = predictor.reports
    nodes: dict[str, int] = {}
    for report in reports.values():
        for name, count in (report.node_counts or {}).items():
            nodes[name] = nodes.get(name, 0) + count
    rows = sample_rows(predictor)
    batches_of = {size: repeated(rows, size) for size in batches}
    for tensors in batches_of.values():
        predictor.infer(tensors)  # Some providers compile for each new shape.
    memory, device_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, _device_memory()
    beside: Predictor[Any] | None = None
    if provider != "cpu":
        beside = load_predictor(bundle, session_opener(("cpu",), threads, False), Limits())
    return {
        "provider": sorted({report.actual[0] for report in reports.values()}),
        "fell_back": any(report.fell_back for report in reports.values()),
        "nodes": nodes,
        "samples": len(list(bundle.samples())),
        "differences": [str(difference) for difference in predictor.replay()],
        "loading": loading,
        "batches": {str(size): _times(predictor, beside, tensors, seconds) for size, tensors in batches_of.items()},
        "memory": memory,
        "device_memory": device_memory,
    }


def _times(
    predictor: Predictor[Any], beside: Predictor[Any] | None, tensors: Tensors, seconds: float
) -> dict[str, float]:
    """Median wall and CPU time of a run in seconds, and how many times as fast it is as `beside`: medians of pairs."""
    pair = [one for one in (predictor, beside) if one is not None]
    for one in pair:
        one.infer(tensors)
    times: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + seconds * len(pair)
    while not times or (len(times) < _MOST_RUNS and time.perf_counter() < end):
        times.append([_time(one, tensors) for one in pair])
    figures: dict[str, float] = {"runs": len(times)}
    for index, clock in enumerate(("wall", "cpu")):
        figures[clock] = statistics.median(run[0][index] for run in times)
        if beside is not None:
            figures[f"{clock}_ratio"] = statistics.median(run[1][index] / run[0][index] for run in times)
    return figures


def _time(predictor: Predictor[Any], tensors: Tensors) -> tuple[float, float]:
    """Wall and CPU time of one run, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    predictor.infer(tensors)
    return time.perf_counter() - wall, time.process_time() - cpu


def _device_memory() -> int | None:
    """Memory in use on the fullest NVIDIA GPU, by all processes; None where nvidia-smi does not tell."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    result = subprocess.run(query, capture_output=True, text=True, check=False)
    values = [int(line) for line in result.stdout.split() if line.isdecimal()]
    return max(values) * 2**20 if values else None


if __name__ == "__main__":
    raise SystemExit(main())
