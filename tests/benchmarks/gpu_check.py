"""`make gpu-check`: every model on every execution provider beside the CPU, and the training of every family.

    python -m tests.benchmarks.gpu_check --providers cuda tensorrt            # on a machine with an NVIDIA GPU
    python -m tests.benchmarks.gpu_check --providers openvino --no-training   # on any CPU that OpenVINO runs on

Prints Markdown for training/RESULTS.md: whether all samples are answered as stored, nodes by provider, latency and
throughput beside the CPU provider, memory, and what each family trains on per second on the GPU and on the CPU. The
exit code is 1 where a model answers differently, falls back or cannot be opened.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from service.bundle.files import versions
from service.runtime.provider_options import SHORT_NAMES
from tests.benchmarks.contenders import processor

_FAMILIES = ("lenet", "bilstm_crf", "seq2seq", "word2vec")
_LIMIT_SECONDS = 1800.0
_PROVIDER_NAMES = {"cuda": "CUDA", "tensorrt": "TensorRT", "openvino": "OpenVINO", "cpu": "CPU"}


@dataclass
class Check:
    """What was asked for, and what went wrong."""

    providers: Sequence[str]
    batches: Sequence[int]
    seconds: float
    threads: int
    options: str
    clock: str
    train_seconds: float
    train_python: str
    faults: list[str] = field(default_factory=list)

    def model(self, bundle: Path) -> Iterator[str]:
        """The rows of a model, a line for each provider, the CPU's first."""
        for provider in ("cpu", *self.providers):
            figures = self._figures(
                sys.executable, "model_speed", bundle, provider, "--batches", *self.batches,
                "--seconds", self.seconds, "--threads", self.threads, "--options", self._options_of(provider),
            )  # fmt: skip
            name = f"{bundle.parent.name}/{bundle.name}"
            if problem := _problem(figures):
                self.faults.append(f"{name} on {_shown(provider)}: {problem}")
            yield _model_row(name, provider, figures, self.batches, problem, self.clock)

    def _options_of(self, provider: str) -> str:
        """Those options that are the provider's: one that is not installed would refuse its own."""
        return ",".join(pair for pair in self.options.split(",") if pair.startswith(f"{provider}."))

    def training(self, family: str, device: str) -> str:
        """The row of a family's training on a device, beside the CPU."""
        rates: dict[str, dict[str, Any]] = {}
        for where, precision in (("cpu", "fp32"), (device, "fp32"), (device, "bf16")):
            if (where == "cpu" and rates) or (family == "word2vec" and precision == "bf16"):
                continue
            rates[f"{where} {precision}"] = self._figures(
                self.train_python, "training_speed", family, where, "--seconds", self.train_seconds,
                "--precision", precision, "--threads", self.threads,
            )  # fmt: skip
        for name, figures in rates.items():
            if "error" in figures:
                self.faults.append(f"training of {family} on {name}: {figures['error']}")
        return _training_row(family, device, rates)

    def _figures(self, python: str, module: str, *arguments: object) -> dict[str, Any]:
        """What a measuring program printed; an `error` where it failed."""
        command = [python, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
        print(" ".join(command[2:]), file=sys.stderr, flush=True)
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {_LIMIT_SECONDS:.0f} s"}
        lines = result.stdout.strip().splitlines()
        if result.returncode or not lines:
            last = (result.stderr.strip().splitlines() or ["nothing was printed"])[-1]
            return {"error": f"ended with {result.returncode}: {last}"}
        figures: dict[str, Any] = json.loads(lines[-1])
        return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    providers = [name for name in SHORT_NAMES if name != "cpu"]
    parser.add_argument(
        "--providers", nargs="+", choices=providers, default=["cuda", "tensorrt"], help="beside cpu (cuda tensorrt)"
    )
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (models)")
    parser.add_argument("--batches", type=_positive(int), nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--seconds", type=_positive(float), default=2.0, help="of each model, provider and batch (2)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all available (0)")
    parser.add_argument("--options", default="", help="as LECTERN_PROVIDER_OPTIONS: openvino.precision=FP32")
    clocks = "times on the clock, or of this process's CPU where both run on a busy CPU (wall)"
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help=clocks)
    parser.add_argument("--training", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--train-device", default="cuda", help="cuda, or cpu to try the script (cuda)")
    parser.add_argument("--train-seconds", type=_positive(float), default=60.0, help="of each family and device (60)")
    parser.add_argument("--train-python", default=sys.executable, help="a Python with PyTorch (this one)")
    options = parser.parse_args(argv)
    if not (bundles := _bundles(options.models)):
        parser.error(f"--models {options.models}: holds no bundle; name a model repository")
    check = Check(
        options.providers,
        options.batches,
        options.seconds,
        options.threads,
        options.options,
        options.clock,
        options.train_seconds,
        options.train_python,
    )
    print(f"{_conditions()}\n")
    batches = " | ".join(f"batch {size}: ms, rows/s, beside CPU" for size in options.batches)
    print(f"| model | provider | samples | nodes | {batches} | loading | memory | GPU memory |")
    print("|---" * (7 + len(options.batches)) + "|")
    for bundle in bundles:
        for row in check.model(bundle):
            print(row, flush=True)
    if options.training:
        print("\n| family | on the CPU, per s | on the device, per s | bf16, per s | beside CPU | GPU memory |")
        print("|---|---|---|---|---|---|")
        for family in _FAMILIES:
            print(check.training(family, options.train_device), flush=True)
    print("".join(f"\n* {fault}" for fault in check.faults) or "\nNo model answered differently or fell back.")
    return 1 if check.faults else 0


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Reads a number above 0."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if 0 < (number := kind(text)) < float("inf"):
                return number
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")

    return read


def _bundles(models: Path) -> list[Path]:
    """The highest version of each model."""
    folders = sorted(path for path in models.glob("*") if path.is_dir())
    return [folder / str(numbers[-1]) for folder in folders if (numbers := versions(folder))]


def _problem(figures: dict[str, Any]) -> str:
    if "error" in figures:
        return str(figures["error"])
    if figures["fell_back"]:
        return f"fell back to {', '.join(figures['provider'])}"
    if figures["differences"]:
        return f"answers differently: {figures['differences'][0]}"
    return ""


def _model_row(
    name: str,
    provider: str,
    figures: dict[str, Any],
    batches: Sequence[int],
    problem: str,
    clock: str,
) -> str:
    if "error" in figures or figures["fell_back"]:  # The times of a fallback are those of another provider.
        return f"| {name} | {_shown(provider)} | {problem} |" + " |" * (len(batches) + 4)
    right = figures["samples"] - len({text.partition(".")[0] for text in figures["differences"]})
    nodes = ", ".join(f"{provider.removesuffix('ExecutionProvider')} {n}" for provider, n in figures["nodes"].items())
    cells = []
    for size in batches:
        times = figures["batches"][str(size)]
        seconds, ratio = times[clock], f", {times[f'{clock}_ratio']:.2f} x" if f"{clock}_ratio" in times else ""
        cells.append(f"{1000 * seconds:.3g}, {size / seconds:,.0f}{ratio}")
    device = figures["device_memory"]
    cells += [f"{figures['loading']:.1f} s", _mebibytes(figures["memory"]), _mebibytes(device)]
    samples = f"{right} of {figures['samples']}"
    return f"| {name} | {_shown(provider)} | {samples} | {nodes or 'unknown'} | {' | '.join(cells)} |"


def _training_row(family: str, device: str, rates: dict[str, dict[str, Any]]) -> str:
    cpu, other, half = (rates.get(name, {}) for name in ("cpu fp32", f"{device} fp32", f"{device} bf16"))
    unit = next((figures["unit"] for figures in rates.values() if "unit" in figures), "")
    shown = [f"{figures['per_second']:,.0f}" if "per_second" in figures else "-" for figures in (cpu, other, half)]
    best = max((figures.get("per_second", 0.0) for figures in (other, half)), default=0.0)
    ratio = f"{best / cpu['per_second']:.2f} x" if best and "per_second" in cpu else "-"
    return f"| {family} ({unit}) | {' | '.join(shown)} | {ratio} | {_mebibytes(other.get('device_memory'))} |"


def _mebibytes(value: float | None) -> str:
    return "-" if value is None else f"{value / 2**20:.0f} MiB"


def _shown(provider: str) -> str:
    return _PROVIDER_NAMES.get(provider.lower(), provider)


def _conditions() -> str:
    """Machine, GPU and versions, in a line."""
    import onnxruntime

    gpu = "no NVIDIA GPU"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        gpu = "; ".join(subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()) or gpu
    return (
        f"{date.today():%B %d, %Y}: {os.cpu_count()} cores of {processor()}; {gpu}; "
        f"onnxruntime {onnxruntime.__version__} ({', '.join(onnxruntime.get_available_providers())})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
