"""What benchmarks that compare several contenders share: alternating rounds, tables, and the exit code."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def exit_code(program: str, benchmark: Callable[[], object], errors: tuple[type[Exception], ...]) -> int:
    """Run a benchmark; one of the errors becomes its text and code 2."""
    try:
        benchmark()
    except errors as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    return 0


def alternating(rows: Sequence[T], rounds: int) -> Iterator[Sequence[T]]:
    """The rows for every round, in the opposite order in every other one; says on stderr when a round has ended."""
    for number in range(rounds):
        yield rows if number % 2 == 0 else rows[::-1]
        print(f"round {number + 1} of {rounds}", file=sys.stderr)


def spread(values: Sequence[float]) -> str:
    """The median with the lowest and the highest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of Markdown; cells that a short row lacks are empty."""
    width = max(len(row[0]) for row in rows)
    print(f"| {headings[0]:{width}} | {' | '.join(headings[1:])} |")
    print(f"|{'|'.join(['---'] * len(headings))}|")
    for name, *cells in rows:
        print(f"| {name:{width}} | {' | '.join([*cells, *[''] * (len(headings) - 1 - len(cells))])} |")
