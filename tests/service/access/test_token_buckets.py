"""Token buckets: what they admit, over time and over processes, in bounded memory."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.access import token_buckets
from service.access.rates import Rate, parse_rates
from service.access.token_buckets import TokenBuckets
from tests.support.processes import ROOT, environment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; the last item counts."""
    times = [1000.0]
    monkeypatch.setattr(token_buckets.time, "monotonic", lambda: times[-1])
    return times


def admitted(buckets: TokenBuckets, owner: str, rates: tuple[Rate, ...], tries: int) -> int:
    return sum(buckets.admit(owner, rates) == 0 for _ in range(tries))


def test_a_bucket_empties_and_fills_evenly(clock: list[float]) -> None:
    buckets, rates = TokenBuckets(), parse_rates("6/min")
    assert admitted(buckets, "a", rates, 10) == 6
    assert buckets.admit("a", rates) == pytest.approx(10)
    assert admitted(buckets, "b", rates, 10) == 6, "each has its own"
    clock.append(1009.0)
    assert buckets.admit("a", rates) == pytest.approx(1)
    clock.append(1010.01)
    assert admitted(buckets, "a", rates, 10) == 1
    clock.append(9999.0)
    assert admitted(buckets, "a", rates, 10) == 6


def test_waiting_as_told_is_enough(clock: list[float]) -> None:
    buckets = TokenBuckets()
    for text in ("3/s", "7/min", "100/h", "11/day"):
        rates = parse_rates(text)
        admitted(buckets, "a", rates, 200)
        for _ in range(50):
            wait = buckets.admit("a", rates)
            assert wait > 0
            clock.append(clock[-1] + wait + 1e-6)
            assert buckets.admit("a", rates) == 0


def test_several_rates_must_all_admit(clock: list[float]) -> None:
    buckets, rates = TokenBuckets(), parse_rates("2/s,3/min")
    assert admitted(buckets, "a", rates, 5) == 2
    clock.append(1001.0)
    assert admitted(buckets, "a", rates, 5) == 1, "what is refused takes nothing out"
    assert buckets.admit("a", rates) > 1


def test_model_time_is_paid_afterwards(clock: list[float]) -> None:
    buckets, rates = TokenBuckets(), parse_rates("1000ms/min")
    assert admitted(buckets, "a", rates, 5) == 5
    buckets.charge("a", rates, 1500)
    wait = buckets.admit("a", rates)
    assert wait == pytest.approx(0.501 * 60)
    clock.append(1000.0 + wait + 1e-6)
    assert buckets.admit("a", rates) == 0


def test_a_clock_that_goes_back_gives_nothing_away(clock: list[float]) -> None:
    buckets, rates = TokenBuckets(), parse_rates("2/s")
    assert admitted(buckets, "a", rates, 5) == 2
    clock.append(10.0)
    assert admitted(buckets, "a", rates, 5) == 0


def test_many_callers_take_no_more_memory(clock: list[float], tmp_path: Path) -> None:
    buckets, rates = TokenBuckets(tmp_path / "quotas"), parse_rates("2/h")
    size = (tmp_path / "quotas").stat().st_size
    assert size < 1 << 20
    for number in range(100_000):
        clock.append(1000.0 + number * 1e-3)
        assert buckets.admit(f"address {number}", rates) == 0
    assert (tmp_path / "quotas").stat().st_size == size
    clock.append(1101.0)
    assert buckets.admit("address 99999", rates) == 0
    assert buckets.admit("address 99999", rates) > 0, "the newest are remembered"


def test_two_openers_share_the_buckets(tmp_path: Path) -> None:
    first, second = TokenBuckets(tmp_path / "quotas"), TokenBuckets(tmp_path / "quotas")
    rates = parse_rates("10/day")
    assert admitted(first, "a", rates, 7) == 7
    assert admitted(second, "a", rates, 7) == 3
    first.close()
    second.close()


def test_a_process_that_is_stopped_with_the_lock_stops_nobody(tmp_path: Path) -> None:
    buckets = TokenBuckets(tmp_path / "quotas")
    with (tmp_path / "quotas").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        started = time.monotonic()
        assert admitted(buckets, "a", parse_rates("5/day"), 8) == 5
        assert time.monotonic() - started < 10


PROGRAM = """
import sys
from pathlib import Path
from service.access.rates import parse_rates
from service.access.token_buckets import TokenBuckets
buckets = TokenBuckets(Path(sys.argv[1]))
sys.stdin.read()
print(sum(buckets.admit("a", parse_rates("1000/day")) == 0 for _ in range(600)))
"""


def test_a_limit_holds_over_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "quotas")]
    processes = [
        subprocess.Popen(command, env=environment(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    counts = [int(process.communicate(timeout=120)[0]) for process in processes if process.stdin]
    assert sum(counts) == pytest.approx(1000, abs=20)
    assert os.path.getsize(tmp_path / "quotas") < 1 << 20
