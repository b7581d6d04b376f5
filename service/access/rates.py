"""Rates: how much a caller may ask for in which time, as written in the key file and in the settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RATE = re.compile(r"(?P<amount>[1-9][0-9]{0,11}) ?(?P<unit>ms)?/(?P<period>[a-z]+)")
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Rate:
    """A limit such as 1000/min: at most `amount` at once, and as much again in every `seconds`."""

    amount: float
    """Requests, or milliseconds of model time."""
    seconds: float
    of_model_time: bool = False
    """Whether it limits milliseconds of model time instead of requests."""

    def __str__(self) -> str:
        period = next(name for name, seconds in _PERIODS.items() if seconds == self.seconds)
        return f"{self.amount:.0f}{'ms' if self.of_model_time else ''}/{period}"


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Parse rates that are separated by commas: `100/s`, `1000/min,30000ms/min`.

    Raises:
        ValueError: naming the first that is none, and what would be right.
    """
    return tuple(_parse_rate(part.strip()) for part in text.split(","))


def _parse_rate(text: str) -> Rate:
    match = _RATE.fullmatch(text)
    if match is None or match["period"] not in _PERIODS:
        raise ValueError(
            f"{text[:40]!r} is no rate; write requests such as 100/s, or milliseconds of model time such as "
            f"30000ms/min, per {', '.join(_PERIODS)}"
        )
    return Rate(float(match["amount"]), _PERIODS[match["period"]], match["unit"] == "ms")
