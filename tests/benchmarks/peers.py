"""Measures `lectern serve` and other model servers with the same ONNX file, image and client, in alternating rounds.

    python -m tests.benchmarks.peers --rounds 5 --seconds 5 --only lectern triton

Every peer is a script of peers/ in a virtual environment of its own, which `make bench-peers` makes. README.md says how
to read it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from statistics import median

from service.bundle.files import Bundle, BundleError
from tests.benchmarks.contenders import BenchmarkError, processor
from tests.benchmarks.http_load import (
    HEADINGS,
    Body,
    Load,
    Measurement,
    Wrk,
    check_labels,
    newest_bundle,
    sample_pixels,
    summary,
)
from tests.benchmarks.http_servers import FLOOR, HttpServer, Memory, Route, lectern, running
from tests.benchmarks.side_by_side import exit_code, print_table, spread

SCRIPTS = Path(__file__).with_name("peers")
MODEL = "digits"
_INFER = f"/v2/models/{MODEL}/infer"
_CONNECTIONS = (1, 32)

PEERS: Mapping[str, tuple[str, tuple[Route, ...]]] = {
    "triton": (
        "nvidia-pytriton",
        (
            Route(name="Triton, Python backend, /v2 infer, JSON", path=_INFER, body=Body.TENSOR),
            Route(name="Triton, Python backend, /v2 infer, binary", path=_INFER, body=Body.BINARY),
        ),
    ),
    "fastapi": (
        "fastapi",
        (
            Route(name="FastAPI and pydantic, async def", path="/async"),
            Route(name="FastAPI and pydantic, def (threads)", path="/threads"),
        ),
    ),
    "mlserver": ("mlserver", (Route(name="MLServer, /v2 infer, JSON", path=_INFER, body=Body.TENSOR),)),
    "litserve": ("litserve", (Route(name="LitServe", path="/predict"),)),
    "bentoml": ("bentoml", (Route(name="BentoML", path="/classify"),)),
    "ray": ("ray", (Route(name="Ray Serve", path="/"),)),
}
"""By the names of script, virtual environment and requirements: the package whose version is printed, and the rows."""

NAMES = ("lectern", "lectern-2", *PEERS)

_OTHER_TABLES = """
The other tables, taggers beside spaCy, vectors beside gensim, translators beside PyTorch (tests/benchmarks/README.md):
    make bench-vectors
    make bench-taggers
    python tests/benchmarks/word2vec_gensim.py --words 8000000 --rounds 3
    make bench-translators"""


@dataclass(frozen=True)
class Processes:
    """What a server cost in one round."""

    start_seconds: float
    memory: Memory | None
    """After the load."""


@dataclass(frozen=True)
class Visit:
    """A server in one round, with the floor beside it."""

    floor: Processes
    server: Processes
    pairs: Mapping[tuple[str, int], tuple[Measurement, Measurement]]
    """By row and number of connections: the floor, and the server."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    arguments = _parse(argv)
    return exit_code("bench-peers", lambda: _benchmark(arguments), (BenchmarkError, BundleError))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-peers ARGS=", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of load per row and round (5)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (models)")
    parser.add_argument("--venvs", type=Path, default=Path(".venv-peers"), help="environments of the peers")
    return parser.parse_args(argv)


def _benchmark(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wrk = Wrk(Path(folder))
        bundle = newest_bundle(arguments.models, MODEL)
        alone = Path(folder) / "models"  # The peers serve one model, so Lectern does too.
        shutil.copytree(bundle.path, alone / MODEL / str(bundle.manifest.version))
        servers = [server for server in contenders(alone, arguments.venvs) if server.name in arguments.only]
        visits: dict[str, list[Visit]] = defaultdict(list)
        failures: dict[str, str] = {}
        for number in range(arguments.rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                if server.name in failures:
                    continue
                print(f"round {number + 1} of {arguments.rounds}: {server.name}", file=sys.stderr)
                try:
                    visits[server.name].append(_visit(server, bundle, wrk, arguments.seconds, number % 2 == 1))
                except BenchmarkError as error:
                    failures[server.name] = " ".join(str(error).split())
    _print_conditions(arguments, bundle)
    for connections in _CONNECTIONS:
        print(f"\n{connections} connection{'s' if connections > 1 else ''}:\n")
        print_table(("", *HEADINGS), load_rows(servers, visits, failures, connections))
    print("\nStart-up and memory:\n")
    headings = ("", "version", "seconds to the first answer", "RSS MB", "PSS MB", "processes")
    print_table(headings, process_rows(servers, visits, failures, arguments.venvs))
    print(_OTHER_TABLES)


def contenders(models: Path, venvs: Path) -> list[HttpServer]:
    """All that is measured beside the floor, in the order of the tables."""
    return [lectern(models, MODEL), lectern(models, MODEL, workers=2), *(_peer(name, venvs) for name in PEERS)]


def _peer(name: str, venvs: Path) -> HttpServer:
    return HttpServer(
        name=name,
        command=(_python(venvs, name), SCRIPTS / f"{name}_server.py", "{port}"),
        routes=PEERS[name][1],
        environment={
            "MODEL": "{model}",
            "PYTHONPATH": str(SCRIPTS),
            "HOME": "{home}",  # Some write files there.
            "RAY_TMPDIR": "{home}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "BENTOML_DO_NOT_TRACK": "True",
        },
    )


def _python(venvs: Path, name: str) -> Path:
    return venvs.absolute() / name / "bin/python"


def _visit(server: HttpServer, bundle: Bundle, wrk: Wrk, seconds: int, reverse: bool) -> Visit:
    """Start the floor and the server, compare their answers, and load one after the other."""
    if not Path(server.command[0]).exists():
        raise BenchmarkError(f"it is not installed: {_install_error(Path(server.command[0]).parents[1])}")
    pixels = sample_pixels(bundle)
    with running(FLOOR, bundle, pixels) as floor, running(server, bundle, pixels) as contender:
        loads = [*floor.loads, *contender.loads]
        check_labels(loads, bundle.manifest.labels)
        pairs: dict[tuple[str, int], tuple[Measurement, Measurement]] = {}
        for connections in _CONNECTIONS:
            for load in loads:  # Warm, and not counted.
                wrk.measure(load, connections, 1)
            seen = _measure(loads[::-1] if reverse else loads, wrk, connections, seconds)
            pairs |= {(load.name, connections): (seen[loads[0].name], seen[load.name]) for load in loads}
        return Visit(*(Processes(each.start_seconds, each.memory()) for each in (floor, contender)), pairs=pairs)


def _measure(loads: Sequence[Load], wrk: Wrk, connections: int, seconds: int) -> dict[str, Measurement]:
    return {load.name: wrk.measure(load, connections, seconds) for load in loads}


def _install_error(venv: Path) -> str:
    """The last error that pip wrote."""
    try:
        lines = venv.with_suffix(".log").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line for line in reversed(lines) if line.startswith("ERROR")), "run make bench-peers")


def load_rows(
    servers: Sequence[HttpServer],
    visits: Mapping[str, Sequence[Visit]],
    failures: Mapping[str, str],
    connections: int,
) -> list[tuple[str, ...]]:
    """The rows for a number of connections; the floor's figures are of all its measurements."""
    floor = FLOOR.routes[0].name
    rows = []
    seen = [visit.pairs[floor, connections] for name in visits for visit in visits[name]]
    if seen:
        rows.append((floor, *summary(seen)))
    for server in servers:
        for route in server.routes:
            if server.name in failures:
                rows.append((route.name, f"not measured: {failures[server.name]}"))
            else:
                pairs = [visit.pairs[route.name, connections] for visit in visits[server.name]]
                rows.append((route.name, *summary(pairs)))
    return rows


def process_rows(
    servers: Sequence[HttpServer],
    visits: Mapping[str, Sequence[Visit]],
    failures: Mapping[str, str],
    venvs: Path,
) -> list[tuple[str, ...]]:
    """Versions, start-up and memory: medians over the rounds."""
    floors = [visit.floor for name in visits for visit in visits[name]]
    rows = [(FLOOR.name, "", *_process_cells(floors))] if floors else []
    for server in servers:
        about = (server.name, _version(server.name, venvs))
        if server.name in failures:
            rows.append((*about, f"not measured: {failures[server.name]}"))
        else:
            rows.append((*about, *_process_cells([visit.server for visit in visits[server.name]])))
    return rows


def _process_cells(seen: Sequence[Processes]) -> tuple[str, ...]:
    memories = [processes.memory for processes in seen if processes.memory is not None]
    sizes = ("?", "?", "?")
    if memories:
        sizes = tuple(f"{median(getattr(memory, field) for memory in memories):.0f}"
                      for field in ("rss_mb", "pss_mb", "processes"))  # fmt: skip
    return (spread([processes.start_seconds for processes in seen]), *sizes)


def _version(name: str, venvs: Path) -> str:
    """The package and its installed version."""
    if name not in PEERS:
        return f"lectern {version('lectern')}"
    package = PEERS[name][0]
    paths = [str(path) for path in (venvs / name).glob("lib/python*/site-packages")]
    found = next(iter(distributions(name=package, path=paths)), None)
    return f"{package} {found.version}" if found else package


def _print_conditions(arguments: argparse.Namespace, bundle: Bundle) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "uvicorn", "fastapi"))
    print(f"{MODEL}/{bundle.manifest.version}, the same image to all; wrk with one thread")
    print(
        f"{arguments.rounds} rounds of {arguments.seconds} s, medians, ratios to the floor measured beside each server"
    )
    print(f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}")


if __name__ == "__main__":
    sys.exit(main())
