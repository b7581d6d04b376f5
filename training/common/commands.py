"""The commands of every family, and what becomes of their errors; the training loops are the families' own."""

import argparse
import os
import sys
from functools import partial
from typing import TypeVar

from service.bundle.write_errors import remedy
from training.common.config import add_options
from training.common.conversion import add_convert_command
from training.common.errors import ProcessLostError, UserError
from training.common.family import Family
from training.common.finished_runs import evaluate, export
from training.common.interrupts import Interrupted, interrupts
from training.common.options import (
    add_finished_run_option,
    add_force_option,
    add_machine_options,
    add_new_run_options,
    positive,
)
from training.common.processes import is_main, process_label
from training.common.train_command import train

C = TypeVar("C")
D = TypeVar("D")


def configure(parser: argparse.ArgumentParser, family: Family[C, D]) -> None:
    """Add the family's commands to its parser."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    training = commands.add_parser("train", help="train, or continue a run that was stopped")
    training.set_defaults(command_function=partial(train, family))
    add_new_run_options(training, family.presets)
    if family.multi_seed is not None:
        training.add_argument(
            "--seeds", type=positive, default=1, metavar="N", help="train N times, with N seeds: mean and deviation"
        )
    family.add_train_options(training)
    training.add_argument("--export", action="store_true", help="export the model after training (implied by --name)")
    family.add_export_options(training)
    add_force_option(training)
    add_machine_options(training)
    add_options(training.add_argument_group("settings"), family.config, family.presets["default"])

    if family.evaluate_help:
        evaluation = commands.add_parser("evaluate", help=family.evaluate_help)
        evaluation.set_defaults(command_function=partial(evaluate, family))
        add_finished_run_option(evaluation, family.run_help)
        family.add_evaluate_options(evaluation)
        add_machine_options(evaluation)
        family.add_moved_data_options(evaluation)

    exporting = commands.add_parser("export", help=family.export_help)
    exporting.set_defaults(command_function=partial(export, family))
    add_finished_run_option(exporting, family.run_help)
    family.add_export_options(exporting)
    add_force_option(exporting)
    family.add_moved_data_options(exporting)
    if family.convert is not None:
        add_convert_command(commands, family)
    family.add_commands(commands)


def run_command(options: argparse.Namespace) -> int:
    """Call the command that was chosen; an error of the user becomes its text and exit code 2."""
    program = f"lectern-train{process_label()}"
    if not is_main() and options.command != "train":
        return 0  # What torchrun starts several times, but one process does.
    try:
        with interrupts():
            code: int = options.command_function(options)
            return code
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except ProcessLostError as error:
        print(f"{program}: stopped, as another process of the run ended ({error})", file=sys.stderr)
        return 1
    except BrokenPipeError:  # Nobody reads the output any more.
        raise
    except OSError as error:
        print(f"{program}: {_describe(error)}", file=sys.stderr)
        return 1
    except Interrupted as error:
        print(f"{program}: interrupted ({error})", file=sys.stderr)
        return error.code


def _describe(error: OSError) -> str:
    """Path, cause and remedy of an error of the file system, in one line."""
    path = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return "; ".join(
        filter(None, [f"{path}{error.strerror or error}", remedy(error), *getattr(error, "__notes__", [])])
    )
