"""What the commands of all families share: flags, interrupts, errors without tracebacks."""

import argparse
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from training.common.config import flag_names
from training.common.errors import ConfigError, UserError
from training.common.run import Run


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM; `code` is the exit code a shell expects. No `Exception`: nothing on the way may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def add_machine_flags(parser: argparse.ArgumentParser) -> None:
    """`--device` and `--threads`."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)"
    )
    parser.add_argument(
        "--threads", type=_count, default=0, metavar="N", help="CPU threads (default: PyTorch's choice)"
    )


def add_run_flags(parser: argparse.ArgumentParser, presets: Iterable[str]) -> None:
    """`--run` or `--resume`, and `--preset`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--run", dest="run_path", type=Path, metavar="RUN", help="the run's directory (default: a new one in runs/)"
    )
    where.add_argument("--resume", type=Path, metavar="RUN", help="continue this run with its own settings")
    parser.add_argument(
        "--preset", choices=tuple(presets), default=None, help="where settings start (default: default)"
    )


def add_export_flags(parser: argparse.ArgumentParser, name: str, weights: Sequence[str] = ()) -> None:
    """What a bundle is to be called and to say.

    Args:
        parser: of a command that exports.
        name: what it is called by default, for the help.
        weights: how they can be stored, the default first; none where there is no choice.
    """
    parser.add_argument("--name", help=f"name of the exported model (default: {name})")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (default: models)")
    if weights:
        text = f"stored as (default: {weights[0]})"
        parser.add_argument("--weights", choices=weights, default=weights[0], help=text)
    parser.add_argument(
        "--licence", help="licence of the weights, for the manifest (default: that of the data, if known)"
    )
    parser.add_argument("--description", default="", help="one line about the model, for the manifest")


def wants_export(options: argparse.Namespace) -> bool:
    """Whether `train` is to export at its end: `--export` says so, and so does a name for the model."""
    return options.export or options.name is not None


MOVED = ("train", "dev", "test")


def add_finished_run_flags(parser: argparse.ArgumentParser, run: str = "the run's directory") -> None:
    """`--run` of a command that reads a run, and where the files it was trained on are now."""
    parser.add_argument("--run", dest="run_path", type=Path, metavar="RUN", required=True, help=run)
    for name in MOVED:
        parser.add_argument(f"--{name}", default="", help=f"where the run's {name} file is now, if it was moved")


def moved_files(options: argparse.Namespace, path: Path, data: str) -> dict[str, Any]:
    """The files that `add_finished_run_flags` was told of; none of a run on the known set `data`.

    Raises:
        ConfigError: some were named for a run on a known set.
    """
    if options.command == "train":  # There the flags are settings of their own.
        return {}
    moved = {name: getattr(options, name) for name in MOVED if getattr(options, name)}
    if moved and data:
        raise ConfigError(f"{path}: was trained on {data}; --{next(iter(moved))} is for runs on own files")
    return moved


def note_unfinished(run: Run, epochs: int) -> None:
    """Say that a run is exported before its end."""
    trained = len(run.metrics())
    if trained < epochs:
        print(f"note: the run has {trained} of its {epochs} epochs; exporting the best of those")


def positive(text: str) -> int:
    """The type of flags that count from one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def given_settings(options: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The settings of the configuration `kind` that were given as flags."""
    return {name: getattr(options, name) for name in flag_names(kind) if hasattr(options, name)}


def check_resume(options: argparse.Namespace, given: Iterable[str]) -> None:
    """Refuse a preset and settings beside `--resume`.

    Raises:
        ConfigError: naming the first of them.
    """
    named = "preset" if options.preset else next(iter(given), None)
    if named is not None:
        flag = "--" + named.replace("_", "-")
        raise ConfigError(f"--resume goes on with the run's own settings: leave out {flag}, or start a new --run")


def run_command(options: argparse.Namespace) -> int:
    """Call the command's `run(options)`; errors of the user become one line and exit code 2."""
    try:
        with interrupts():
            code: int = options.run(options)
            return code
    except UserError as error:
        print(f"lectern-train: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"lectern-train: {place}{error.strerror or error}", file=sys.stderr)
        return 1
    except Interrupted as error:
        print(f"lectern-train: interrupted ({error})", file=sys.stderr)
        return error.code


@contextmanager
def interrupts() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted`, where it is raised and can be caught; handlers are put back after."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value
