"""The record through which a model family supplies its functions and options to the `lectern-train` commands."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from service.bundle.files import Bundle
from service.bundle.manifest import Task
from training.common.config import merge
from training.common.conversion import Conversion
from training.common.run import Run

if TYPE_CHECKING:  # commands that need no PyTorch run where it is not installed
    import torch

C = TypeVar("C")
"""The family's configuration, a frozen dataclass."""
D = TypeVar("D")
"""The family's data, as its loader returns them."""


class Report(Protocol):
    """The result of an evaluation."""

    def report(self) -> str:
        """The text for the terminal."""


class Experiment(Generic[C, D]):
    """A configuration with its data, which are loaded when they are first used.

    Args:
        config: the settings.
        load: loads the data that a configuration names.
    """

    def __init__(self, config: C, load: Callable[[C], D]) -> None:
        self.config = config
        self._load = load

    @cached_property
    def data(self) -> D:
        """The data."""
        return self._load(self.config)

    def with_config(self, config: C) -> Experiment[C, D]:
        """The same data with other settings."""
        return Experiment(config, lambda _: self.data)


@dataclass(frozen=True, kw_only=True)
class MultiSeed(Generic[C]):
    """How a family trains one configuration with several seeds (`train --seeds N`): one run for each, in one folder."""

    create: Callable[[Path, C, int], Sequence[tuple[Path, C]]]
    """Makes the folder for a number of seeds, or returns to it; gives the path and settings of each run."""
    is_series: Callable[[Path], bool]
    """Whether a folder holds several runs."""
    stored: Callable[[Path], tuple[C, int]]
    """The settings of the first run of a folder, and the number of its runs."""
    runs_of: Callable[[Path], Sequence[Path]]
    """The runs in a folder that have begun."""
    best_run: Callable[[Path], Path]
    """The run of a folder that is best on the dev data."""
    summary: Callable[[str, Sequence[Any]], str]
    """Mean and deviation of the evaluations of all runs on a split."""


def _no_options(parser: ArgumentParser) -> None:
    """Add nothing."""


def _no_check(experiment: Experiment[Any, Any], options: Namespace) -> None:
    """Refuse nothing."""


def _no_shortcoming(experiment: Experiment[Any, Any], run: Run) -> str:
    return ""


def _dev(experiment: Experiment[Any, Any]) -> Sequence[str]:
    return ("dev",)


def _stays(config: C, options: Namespace, run: Path) -> C:
    return config


@dataclass(frozen=True, kw_only=True)
class Family(Generic[C, D]):
    """A model family: its settings, its functions, and its own command-line options.

    Hooks get the parsed command line as `options`, for the options that the family added itself.
    """

    name: str
    """As on the command line: `bilstm_crf`."""
    config: type[C]
    presets: Mapping[str, C]
    """Named settings; `default` is one of them."""

    load_data: Callable[[C, Namespace], D]
    describe_data: Callable[[Experiment[C, D]], Sequence[str]]
    """Lines for the log of a run that starts: the data's sizes first, then notes."""
    default_name: Callable[[Experiment[C, D]], str]
    """The name of the exported model where the user gives none."""
    train: Callable[[Experiment[C, D], Run, torch.device, int], object]
    """Trains a run, or continues it; the last argument is the number of CPU threads, 0 for the default."""
    evaluate: Callable[[Experiment[C, D], Run, torch.device, Namespace], Report]
    """Evaluates a run after training and, where there is an `evaluate_help`, in the evaluate command."""
    export: Callable[[Experiment[C, D], Run, str, Namespace], str]
    """Writes the next version of the model of this name; returns a report for the terminal."""

    convert: Callable[[Bundle, Path], Conversion] | None = None
    """Makes the graphs and files of a bundle anew from its weights, for the convert command; None where the family has
    none. The path is a temporary folder, for files too large for memory."""
    convert_task: Task | None = None
    """The task of the bundles that `convert` takes."""

    convert_help: str = "write the next version of a bundle, with graphs for other execution providers than the CPU's"
    export_help: str = "check the ONNX graph and write the next version of a bundle"
    evaluate_help: str = ""
    """Help of the evaluate command; empty where the family adds a command of its own instead."""
    run_help: str = "the run's directory"
    """Help of `--run` where a command reads a run."""

    add_train_options: Callable[[ArgumentParser], None] = _no_options
    add_evaluate_options: Callable[[ArgumentParser], None] = _no_options
    add_export_options: Callable[[ArgumentParser], None] = _no_options
    """Adds the options of the export command, and of the train command, which can export at its end."""
    add_convert_options: Callable[[ArgumentParser], None] = _no_options
    add_moved_data_options: Callable[[ArgumentParser], None] = _no_options
    """Adds options that say where the data of a run are now, to commands that read a run."""
    add_commands: Callable[[Any], None] = _no_options
    """Adds further commands to the family's subparsers."""

    settings: Callable[[C, dict[str, Any]], C] = merge
    """Makes the settings of a new run from a preset and the settings that are set by options."""
    moved_data: Callable[[C, Namespace, Path], C] = _stays
    """Applies the options of `add_moved_data_options` to the settings of a run; the path is the run's, for messages."""
    check_settings: Callable[[Experiment[C, D], Namespace], None] = _no_check
    """Refuses to train for an export that cannot be made, before the data are loaded."""
    check_data: Callable[[Experiment[C, D], Namespace], None] = _no_check
    """Raises ExportError where no bundle can be made of these data."""
    usual_epochs: Callable[[Experiment[C, D]], int] | None = None
    """The number of epochs that suits the amount of data; None where a run needs no advice."""
    final_splits: Callable[[Experiment[C, D]], Sequence[str]] = _dev
    """The splits that `train` evaluates at its end."""
    default_split: Callable[[Experiment[C, D]], str] | None = None
    """The split that a model card shows first; `evaluate` takes it where no other is named."""
    shortcoming: Callable[[Experiment[C, D], Run], str] = _no_shortcoming
    """Why a trained run is of no use, such as an accuracy at chance level; empty for nothing."""
    multi_seed: MultiSeed[C] | None = None
