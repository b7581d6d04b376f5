"""Memory and the liveness probe while 64 clients send pictures of 20 megapixels at once.

    python -m tests.benchmarks.memory_pictures [--clients 64] [--pictures 64] [--seconds 30]

Half of the clients wait for their answers, half leave after two seconds. Then the server is stopped while pictures are
decoded. The figures: most memory beyond the server's own, the slowest probe, and the seconds until the process ended.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
from PIL import Image

from tests.benchmarks.memory_server import MeasuredServer, Sampler, measured_server, post
from tests.support.bars import Report
from tests.support.pictures import picture_file

_MOST_MEGABYTES = 400
_MOST_EXIT_SECONDS = 10


def request_body(count: int) -> bytes:
    """A JSON body with a transparent PNG of 20 megapixels many times."""
    image = Image.new("RGBA", (5000, 4000), (0, 0, 0, 0))
    image.paste((9, 9, 9, 255), (2000, 1000, 2500, 3000))
    picture = base64.b64encode(picture_file(image, compress_level=9)).decode()
    return orjson.dumps({"images": [picture] * count})


def _client(server: MeasuredServer, body: bytes, patience: float | None, statuses: Counter[str]) -> None:
    connection = server.connect()
    connection.timeout = patience
    try:
        statuses[str(post(connection, "/v1/classify", body))] += 1
    except OSError as error:
        statuses[type(error).__name__] += 1
    connection.close()


def _probe(server: MeasuredServer, stop: threading.Event, times: list[float]) -> None:
    while not stop.wait(0.05):
        started = time.perf_counter()
        with contextlib.suppress(OSError):
            connection = server.connect()
            connection.request("GET", "/livez")
            connection.getresponse().read()
            connection.close()
            times.append(time.perf_counter() - started)


def main() -> int:
    """Measure and compare with the bars; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="60 seconds")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    body = request_body(options.pictures)
    print(f"  {options.clients} bodies of {len(body) / 1e6:.1f} MB")
    statuses: Counter[str] = Counter()
    stop, times = threading.Event(), list[float]()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree("models/digits", Path(folder) / "digits")
        with measured_server(Path(folder), SHUTDOWN_SECONDS="5") as server:
            before = server.megabytes
            clients = [
                threading.Thread(target=_client, args=(server, body, None if i % 2 else 2.0, statuses), daemon=True)
                for i in range(options.clients)
            ]
            prober = threading.Thread(target=_probe, args=(server, stop, times))
            with Sampler(server) as sampler:
                for thread in (prober, *clients):
                    thread.start()
                time.sleep(60 if options.full else options.seconds)
            most = sampler.highest(0, math.inf)
            stop.set()
            prober.join()
            started = time.monotonic()
            os.kill(server.process, signal.SIGTERM)
            while _is_running(server.process):
                time.sleep(0.05)
            ended = time.monotonic() - started
    print(f"  answers: {dict(statuses)}; {len(times)} probes")
    report.add("pictures: most memory beyond the server's own", most - before, "MB", at_most=_MOST_MEGABYTES)
    report.add("pictures: slowest probe", max(times) * 1e3, "ms")
    report.add("pictures: end of the process", ended, "s after SIGTERM", at_most=_MOST_EXIT_SECONDS)
    return report.exit_code


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
