"""Runs schemathesis over the OpenAPI file: requests that fit the schemas, and requests that do not."""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from tests.fuzz.harness import Server
from tests.support.bars import Report
from tests.support.processes import environment

# A schema cannot say which words, languages and tensors a model knows: requests that fit it may be refused with the
# field's name. Unloading is left out, as all that follows would be refused; a load by name is fuzzed.
_CONFIGURATION = """
[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "411", "413", "415", "422", "429"]
positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "413", "415", "422"]
"""
_UNLOAD = "/v2/repository/models/{model}/unload"


def run(server: Server, report: Report, options: argparse.Namespace) -> None:
    """Run it against a server, and report the number of its findings."""
    print("== openapi", flush=True)
    if options.schemathesis is None:
        print("       left out: --schemathesis names no program (make fuzz does)")
        return
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "schemathesis.toml"
        configuration.write_text(_CONFIGURATION)
        command = [
            str(options.schemathesis.absolute()),
            f"--config-file={configuration}",
            "run",
            f"{server.url}/openapi.json",
            f"--seed={options.seed}",
            f"--max-examples={20 if options.quick else 200}",
            f"--exclude-path={_UNLOAD}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing,stateful",
            "--continue-on-failure",
            "--suppress-health-check=all",
            "--warnings=off",
            "--no-color",
        ]
        if options.quick:
            command.append("--no-shrink")
        result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    text = result.stdout + result.stderr
    requests = re.search(r"([\d,]+) generated", text)
    failures = re.search(r"found ([\d,]+) unique failure", text)
    report.add("openapi: requests", _number(requests), at_least=1)
    report.add("openapi: findings", _number(failures), at_most=0)
    report.add("openapi: exit code of schemathesis", result.returncode, at_most=0)
    if result.returncode:
        options.failures.mkdir(parents=True, exist_ok=True)
        (options.failures / "openapi.txt").write_text(text)
        begin = max(text.find("= ERRORS ="), text.find("= FAILURES ="), 0)
        print(f"       all of it: {options.failures / 'openapi.txt'}\n{text[begin : begin + 20_000]}")


def _number(match: re.Match[str] | None) -> int:
    return int(match[1].replace(",", "")) if match else 0
