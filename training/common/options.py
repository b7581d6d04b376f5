"""Command-line options that the commands of several families share."""

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training.common.config import option_name
from training.common.errors import ConfigError

DATA_FILES = ("train", "dev", "test")


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add `--device` and `--threads`."""
    parser.add_argument(
        "--device", type=device_name, default="auto", metavar="DEVICE",
        help="where to compute: auto, cpu, cuda, or cuda:N for the GPU with number N (default: auto)",
    )  # fmt: skip
    parser.add_argument(
        "--threads",
        type=non_negative,
        default=0,
        metavar="N",
        help="number of CPU threads (default: chosen by PyTorch; word2vec: all CPUs)",
    )


def add_new_run_options(parser: argparse.ArgumentParser, presets: Iterable[str]) -> None:
    """Add `--run` or `--resume`, and `--preset`."""
    folder = parser.add_mutually_exclusive_group()
    folder.add_argument(
        "--run", dest="run_path", type=Path, metavar="RUN", help="the run's directory (default: a new one in runs/)"
    )
    folder.add_argument("--resume", type=Path, metavar="RUN", help="continue this run with its own settings")
    parser.add_argument(
        "--preset", choices=tuple(presets), default=None, help="preset to start from (default: 'default')"
    )


def add_finished_run_option(parser: argparse.ArgumentParser, help_text: str = "the run's directory") -> None:
    """Add `--run` to a command that reads a run."""
    parser.add_argument("--run", dest="run_path", type=Path, metavar="RUN", required=True, help=help_text)


def add_bundle_options(parser: argparse.ArgumentParser, default_name: str, weights: Sequence[str] = ()) -> None:
    """Add the options that say where an exported bundle goes and how it is described.

    Args:
        parser: parser of a command that exports.
        default_name: description of the name that a bundle gets by default, for the help.
        weights: how the weights can be stored, the default first; empty where there is no choice.
    """
    parser.add_argument("--name", help=f"name of the exported model (default: {default_name})")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (default: models)")
    if weights:
        help_text = f"storage format of the weights (default: {weights[0]})"
        parser.add_argument("--weights", choices=weights, default=weights[0], help=help_text)
    parser.add_argument(
        "--licence",
        "--license",
        metavar="LICENCE",
        help="licence of the weights, for the manifest (default: that of the data, if known)",
    )
    parser.add_argument(
        "--attribution",
        help="makers of everything that the weights were trained on, for the manifest (default: those of the data, if "
        "known)",
    )
    parser.add_argument("--description", default="", help="one line about the model, for the manifest")


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """Add `--force` to a command that exports."""
    parser.add_argument(
        "--force", action="store_true", help="export a model too that has learned nothing, as its dev figure shows"
    )


def add_split_option(parser: argparse.ArgumentParser, help_text: str, choices: Sequence[str] | None = None) -> None:
    """Add `--split` to the evaluate command.

    Args:
        parser: parser of the command.
        help_text: what splits there are.
        choices: their names; None for any.
    """
    parser.add_argument(
        "--split",
        choices=choices,
        default=None,
        help=f"{help_text} (default: what the model card shows first: test, if the data have it, else dev)",
    )


def wants_export(options: argparse.Namespace) -> bool:
    """Whether `train` exports at its end: with `--export`, or with a name for the model."""
    return options.export or options.name is not None


def add_data_file_options(parser: argparse.ArgumentParser) -> None:
    """Add `--train`, `--dev`, `--test` and how to read them to a command that reads a run, if files were moved."""
    for name in DATA_FILES:
        parser.add_argument(f"--{name}", default="", help=f"where the run's {name} file is now, or another one")
    parser.add_argument("--encoding", default="", help="encoding of files that are no UTF-8 (default: as in the run)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read, and count it")


def moved_data_files(options: argparse.Namespace, run: Path, known_data: str) -> dict[str, Any]:
    """The values of the options of `add_data_file_options` that are set.

    Args:
        options: the parsed command line.
        run: the run's directory, for the message.
        known_data: name of the known data set that the run was trained on; empty for the user's own files.

    Raises:
        ConfigError: a file was named for a run on a known data set.
    """
    names = (*DATA_FILES, "encoding", "skip_bad")
    moved = {name: getattr(options, name) for name in names if getattr(options, name)}
    if moved and known_data:
        option = option_name(next(iter(moved)))
        raise ConfigError(f"{run}: was trained on {known_data}; {option} is for runs on own files")
    return moved


def check_resume(options: argparse.Namespace, settings: Iterable[str]) -> None:
    """Refuse a preset and settings beside `--resume`.

    Args:
        options: the parsed command line.
        settings: names of the settings that are set by options.

    Raises:
        ConfigError: naming the first of them.
    """
    name = "preset" if options.preset else next(iter(settings), None)
    if name is not None:
        option = option_name(name)
        raise ConfigError(f"--resume goes on with the run's own settings: leave out {option}, or start a new --run")


def device_name(text: str) -> str:
    """Parse the name of a device: auto, cpu, cuda or cuda:N."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no device; choose auto, cpu, cuda or cuda:N, as in cuda:1")
    return text


def positive(text: str) -> int:
    """Parse an option that must be at least 1."""
    return _at_least(1, text)


def non_negative(text: str) -> int:
    """Parse an option that must be at least 0."""
    return _at_least(0, text)


def percentage(text: str) -> float:
    """Parse an option that must be from 0 to 100."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 100")
    return value


def _at_least(minimum: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if value < minimum:
        raise argparse.ArgumentTypeError(f"{text} is below {minimum}")
    return value
