"""Loads hostile bundles one after the other beside good models, which must go on serving."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from service.settings import Settings
from tests.fuzz.answers import Call, problems
from tests.fuzz.campaign import Client
from tests.fuzz.harness import Server, watched
from tests.fuzz.hostile_bundles import CASES, NAME, HostileBundle, write_good
from tests.support.bars import Report
from tests.support.classify_requests import pixels

LOAD_SECONDS = 5
LOAD_MEMORY = 1_500_000_000
REFUSED_WITHIN = 15.0
"""Seconds until a load must be answered, where its deadline is `LOAD_SECONDS`; the machine may be busy."""
MEMORY_MB = 1_600
"""How much the server and its helpers may take more than before: the limit of one load, and a little."""

_LOAD = Call(f"/v2/repository/models/{NAME}/load")
_INDEX = Call("/v2/repository/index")
_CLASSIFY = Call(
    "/v1/classify", json.dumps({"model": "digits", **pixels(7)}).encode(), {"content-type": "application/json"}
)


def run(report: Report, failures: Path) -> None:
    """Load every hostile bundle, and report the faults."""
    print("== bundles", flush=True)
    faults = 0
    peak, longest, log_faults, alive = 0.0, 0.0, 0, True
    remaining = list(CASES)
    while remaining:  # A server that a bundle has stopped is started anew for the next one.
        with tempfile.TemporaryDirectory() as folder, Server(_repository(Path(folder)), **_settings()) as server:
            with watched(server) as (memory, probe):
                while remaining and server.alive:
                    case = remaining.pop(0)
                    found = _judge(server, Path(folder), case)
                    faults += len(found)
                    for fault in found:
                        print(f"       {case.name}: {fault}", flush=True)
                    if "no answer to load" in found:
                        break
            alive &= server.alive
            log_faults += len(server.log_faults())
            for fault in dict.fromkeys(server.log_faults()):
                print(f"       log: {fault}")
            peak, longest = max(peak, memory.peak - memory.before), max(longest, probe.longest)
    report.add("bundles: hostile ones", len(CASES), at_least=40)
    report.add("bundles: faults", faults, at_most=0)
    report.add("bundles: servers that ended", 0 if alive else 1, at_most=0)
    report.add("bundles: tracebacks and lines that are no log line", log_faults, at_most=0)
    report.add("bundles: longest wait of /livez", longest, "s", at_most=1)
    report.add("bundles: memory at its highest, above before", peak, "MB", at_most=MEMORY_MB)


def _repository(folder: Path) -> Path:
    write_good(folder)
    return folder


def _settings() -> dict[str, str]:
    """Bounds of a load, as far as this release has them."""
    wanted = {"load_seconds": str(LOAD_SECONDS), "load_memory_bytes": str(LOAD_MEMORY)}
    return {name.upper(): value for name, value in wanted.items() if name in Settings.model_fields}


def _judge(server: Server, repository: Path, case: HostileBundle) -> list[str]:
    """Load one bundle; what is wrong with the answer, with the index or with the other models."""
    case.write(repository)
    client, begin = Client(server.address, timeout=REFUSED_WITHIN + 5), time.monotonic()
    try:
        answer = client.send(_LOAD)
    except OSError:
        return ["no answer to load"]
    finally:
        client.close()
    faults = [fault for fault in problems(_LOAD, answer) if fault != f"status {answer.status}"]
    text = answer.body.decode(errors="replace")
    if answer.status < 400 or answer.status == 500:
        faults.append(f"load answers {answer.status} {text[:300]}")
    elif case.names not in text and case.names not in _reason(server):
        faults.append(f"does not name {case.names!r}: {text[:400]}")
    if str(repository) in text:
        faults.append(f"names a path of the machine: {text[:400]}")
    if (seconds := time.monotonic() - begin) > REFUSED_WITHIN:
        faults.append(f"refused after {seconds:.0f} s")
    other = Client(server.address)
    good = other.send(_CLASSIFY)
    other.close()
    if good.status != 200:
        faults.append(f"a good model answers {good.status}")
    shutil.rmtree(repository / NAME)
    shutil.rmtree(repository / ".elsewhere", ignore_errors=True)
    return faults


def _reason(server: Server) -> str:
    """The reasons in the index of what does not serve."""
    client = Client(server.address)
    answer = client.send(replace(_INDEX, headers={"content-type": "application/json"}))
    client.close()
    return " ".join(line["reason"] for line in json.loads(answer.body) if line["name"] == NAME)
