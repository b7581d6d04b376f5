"""Bad lines of data files: refused all at once with their numbers, or left out and counted."""

from collections.abc import Iterable, Sequence

from training.common.errors import DatasetError

_LISTED_IN_ERRORS = 20
_LISTED_IN_NOTES = 3


class LineFaults:
    """What is wrong with the lines of a file.

    Args:
        name: name of the file, for the messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._faults: dict[int, str] = {}

    def add(self, line: int, fault: str) -> None:
        """Record a bad line; of several faults of a line the first one counts.

        Args:
            line: its number, from 1.
            fault: what is wrong, as in `has 1 column; 2 are expected`.
        """
        self._faults.setdefault(line, fault)

    def __contains__(self, line: int) -> bool:
        return line in self._faults

    def __bool__(self) -> bool:
        return bool(self._faults)

    def listed(self) -> list[str]:
        """The faults in the order of their lines, as in `line 3 has 1 column; 2 are expected`."""
        return [f"line {line} {fault}" for line, fault in sorted(self._faults.items())]

    def refuse(self, remedy: str) -> None:
        """Raise for the bad lines, if there are any.

        Args:
            remedy: what to do, as in `leave their sentences out with --skip-bad`.

        Raises:
            DatasetError: it lists the first 20 bad lines with their numbers, and counts all of them.
        """
        lines = [f"{self.name}:{line}: {fault}" for line, fault in sorted(self._faults.items())]
        refuse_all(lines, "bad line", "correct", remedy)


def refuse_all(faults: Sequence[str], unit: str, correction: str, remedy: str) -> None:
    """Raise for what is wrong, if there is anything.

    Args:
        faults: each with its file.
        unit: what is wrong, in the singular, as in `bad line`.
        correction: what to do with them, as in `correct`.
        remedy: what to do instead, as in `leave their sentences out with --skip-bad`.

    Raises:
        DatasetError: it lists the first 20, and counts all of them.
    """
    if not faults:
        return
    if len(faults) == 1:
        raise DatasetError(f"{faults[0]}; {correction} it, or {remedy}")
    listed = f", of which the first {_LISTED_IN_ERRORS} are listed" if len(faults) > _LISTED_IN_ERRORS else ""
    count = f"{len(faults):,} {unit}s{listed}; {correction} them, or {remedy}"
    raise DatasetError("\n".join([*faults[:_LISTED_IN_ERRORS], count]))


def counted(count: int, unit: str) -> str:
    """A number with its unit: `1 sentence`, `2,000 sentences`."""
    return f"1 {unit}" if count == 1 else f"{count:,} {unit}s"


def left_out_note(name: str, count: int, unit: str, faults: Sequence[str]) -> str:
    """A note on what was left out of a file: `pairs.tsv: 2 bad lines left out: line 3 has no tab, line 9 is no CSV`.

    Args:
        name: name of the file.
        count: number of the things that were left out.
        unit: what they are called, in the singular.
        faults: what is wrong with them; the first ones are listed.
    """
    return f"{name}: {counted(count, unit)} left out: {_first(faults)}"


def _first(faults: Iterable[str]) -> str:
    listed = list(faults)
    return ", ".join(listed[:_LISTED_IN_NOTES]) + ", …" * (len(listed) > _LISTED_IN_NOTES)
