"""Sends hostile input of every kind to a real server, and prints a figure with its bar for each kind.

    python -m tests.fuzz                          # everything; about half an hour
    python -m tests.fuzz --quick --seed 3         # a tenth of it
    python -m tests.fuzz --only json pictures

The smallest input of each fault is written into the folder `fuzz-failures/`. The same seed sends the same input.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import binary_bodies, bundles, campaign, json_bodies, openapi, pictures, wire
from tests.fuzz.harness import Server, watched
from tests.support.bars import Report

STALL_SECONDS = 1.0
"""The longest that `/livez` may take while input is sent; a generous bound, as the machine may be busy."""
MEMORY_MB = 300
"""How much more memory the server may take than before, at its highest."""


@dataclass(frozen=True)
class Part:
    """Generated requests of one kind."""

    generate: campaign.Generator
    count: int


GENERATED = {
    "json": Part(json_bodies.case, 20_000),
    "binary": Part(binary_bodies.case, 20_000),
    "pictures": Part(pictures.case, 3_000),
}
OTHERS = ("wire", "bundles", "openapi")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for; return the exit code."""
    options = _parse(arguments)
    report = Report()
    print(f"seed {options.seed}; repeat it with --seed {options.seed}", flush=True)
    chosen = options.only or [*GENERATED, *OTHERS]
    if set(chosen) - {"bundles"}:
        # Without a file for suggestions their route would refuse everything.
        with tempfile.TemporaryDirectory() as folder, Server(SUGGESTIONS=f"{folder}/suggestions.jsonl") as server:
            for name in chosen:
                if name in GENERATED:
                    _send(server, name, GENERATED[name], options, report)
            if "wire" in chosen:
                wire.run(server, report, options.failures)
            if "openapi" in chosen:
                openapi.run(server, report, options)
            _judge_log(server, report)
    if "bundles" in chosen:
        bundles.run(report, options.failures)
    return report.exit_code


def _send(server: Server, name: str, part: Part, options: argparse.Namespace, report: Report) -> None:
    """Send the requests of one part and report its figures."""
    count = max(1, part.count // 10) if options.quick else part.count
    print(f"== {name}", flush=True)
    begin = time.monotonic()
    campaign.run(server.address, campaign.calls(part.generate, options.seed + 1, 100))  # Warms everything up.
    with watched(server) as (memory, probe):
        findings = campaign.run(server.address, campaign.calls(part.generate, options.seed, count))
    print(f"       {dict(sorted(findings.statuses.items()))} in {time.monotonic() - begin:.0f} s")
    report.add(f"{name}: requests", findings.statuses.total(), at_least=count)
    report.add(f"{name}: answers with a fault", sum(findings.faults.values()), at_most=0)
    report.add(f"{name}: longest wait of /livez", probe.longest, "s", at_most=STALL_SECONDS)
    report.add(f"{name}: /livez failed", probe.failures, at_most=0)
    report.add(f"{name}: memory at its highest, above before", memory.peak - memory.before, "MB", at_most=MEMORY_MB)
    findings.save(options.failures, name)


def _judge_log(server: Server, report: Report) -> None:
    faults = server.log_faults()
    report.add("log: tracebacks and lines that are no log line", len(faults), at_most=0)
    for fault in dict.fromkeys(faults):
        print(f"       {fault}")
    report.add("server alive", server.alive, at_least=1)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the generated requests")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", nargs="+", choices=[*GENERATED, *OTHERS], help="these parts instead of all")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder of the smallest inputs")
    parser.add_argument("--schemathesis", type=Path, help="the program; without it, that part is left out")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
