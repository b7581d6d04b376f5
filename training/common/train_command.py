"""The command `train` of every family: data, training by one process or several, evaluation, export."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from training.common.config import settings_from_options, to_dict
from training.common.device import pick_device, use_threads
from training.common.epochs import settle_epochs
from training.common.errors import ProcessLostError
from training.common.export import check_name, check_target, export_checks
from training.common.family import Experiment, Family
from training.common.finished_runs import evaluate_runs, export_run, series_of, stored_settings
from training.common.interrupts import Interrupted
from training.common.options import check_resume, wants_export
from training.common.processes import is_main, process_count
from training.common.run import Run

if TYPE_CHECKING:  # commands that need no PyTorch run where it is not installed
    import torch

C = TypeVar("C")
D = TypeVar("D")
T = TypeVar("T")


def train(family: Family[C, D], options: argparse.Namespace) -> int:
    """Train a run, or continue one; evaluate it; export it if asked to.

    Of several processes all train, then the main one goes on alone.
    """
    device = pick_device(options.device)
    use_threads(options.threads)
    export_requested = wants_export(options)
    with ExitStack() as stack:
        if process_count() > 1:
            from training.common.distributed import process_group

            stack.enter_context(process_group(device))
        config, seeds = _same_everywhere(lambda: _settings(family, options))
        experiment = Experiment(config, lambda settings: family.load_data(settings, options))
        if export_requested:
            if options.name is not None:
                check_name(options.name)
            family.check_settings(experiment, options)
        path = options.resume or options.run_path or Path("runs") / f"{family.name}-{datetime.now():%Y%m%d-%H%M%S}"
        experiment, description = _prepare(family, experiment, options)
        series = series_of(family, path, seeds)
        runs = _same_everywhere(
            lambda: [(path, experiment.config)] if series is None else series.create(path, experiment.config, seeds)
        )
        for folder, settings in runs:
            code = _train_run(
                family, experiment.with_config(settings), folder, description, device, options.threads, resume=path
            )
            if code:
                stack.pop_all()  # the connections to other processes are broken, and closing them could wait for ever
                return code
    if not is_main():
        return 0
    trained = [(Run(folder), experiment.with_config(settings)) for folder, settings in runs]
    try:
        for split in family.final_splits(experiment):
            evaluate_runs(family, trained, series, device, _evaluate_options(family, split))
        if not export_requested:
            return 0
        best = path if series is None else series.best_run(path)
        run, experiment = next(pair for pair in trained if pair[0].path == best)
        return export_run(family, experiment, run, options, announce=series is not None)
    except OSError as error:
        command = "export" if export_requested else "evaluate"
        error.add_note(f"the run is trained; go on with: lectern-train {family.name} {command} --run {path}")
        raise


def _same_everywhere(make: Callable[[], T]) -> T:
    """What `make` returns in the main process; the settings and folders of a run may lie on its machine only."""
    if process_count() == 1:
        return make()
    from training.common.distributed import from_main

    return from_main(make)


def _prepare(
    family: Family[C, D], experiment: Experiment[C, D], options: argparse.Namespace
) -> tuple[Experiment[C, D], Sequence[str]]:
    """Load and check the data; returns the experiment with its number of epochs, and lines about it for the log."""
    with ExitStack() as stack:
        if process_count() > 1:
            from training.common.distributed import first_on_each_machine

            stack.enter_context(first_on_each_machine())
        notes: list[str] = []
        if options.resume is None:
            preset = family.presets[options.preset or "default"]
            experiment, notes = settle_epochs(family, experiment, preset, settings_from_options(options, family.config))
        description = [*family.describe_data(experiment), *notes]
        export_requested = wants_export(options)
        with export_checks(required=export_requested):
            family.check_data(experiment, options)
        if export_requested:
            check_target(options.name or family.default_name(experiment), options.models)
    return experiment, description


def _settings(family: Family[C, D], options: argparse.Namespace) -> tuple[C, int]:
    """The settings to train with, and the number of seeds.

    A new run takes a preset with the options on the command line, a resumed run its stored settings.
    """
    changes = settings_from_options(options, family.config)
    seeds: int = getattr(options, "seeds", 1)
    if options.resume is None:
        return family.settings(family.presets[options.preset or "default"], changes), seeds
    check_resume(options, [*changes, *(["seeds"] if seeds > 1 else [])])
    series = series_of(family, options.resume)
    if series is not None:
        return series.stored(options.resume)
    return stored_settings(family, Run.open(options.resume, family=family.name)), 1


def _train_run(
    family: Family[C, D],
    experiment: Experiment[C, D],
    path: Path,
    description: Sequence[str],
    device: torch.device,
    threads: int,
    *,
    resume: Path,
) -> int:
    """Train one run; returns the exit code, which is not 0 where it was interrupted.

    Args:
        family: the family.
        experiment: settings and data.
        path: the run's directory; it is made, or continued where it exists.
        description: lines about the data for the log.
        device: where to compute.
        threads: CPU threads; 0 for the default.
        resume: the directory to name in the hint after an interruption.
    """
    with ExitStack() as stack:
        if not is_main():  # the others' folders are for what the family reads there, and are thrown away
            path = Path(stack.enter_context(TemporaryDirectory(prefix="lectern-train-"))) / path.name
        run = Run.create(path, family=family.name, config=to_dict(experiment.config))
        stack.callback(run.close)
        log = run.logger()
        go_on = f"lectern-train {family.name} train --resume {resume}"
        if process_count() > 1:
            go_on = f"torchrun … -m -- training {family.name} train --resume {resume}"
        try:
            log.info("%s; run %s", description[0], path)
            for line in description[1:]:
                log.info("%s", line)
            _train_in_step(family, experiment, run, device, threads)
        except Interrupted as error:
            cause = f"{error}, which torchrun sends when another process ended" if process_count() > 1 else f"{error}"
            log.info("stopped (%s); the last checkpoint is kept. Go on with: %s", cause, go_on)
            return error.code
        except ProcessLostError as error:
            log.info(
                "stopped, as another process of the run ended (%s); the last checkpoint is kept. Go on with: %s",
                error, go_on,
            )  # fmt: skip
            return 1
        except OSError as error:
            if (run.checkpoints / "last.pt").exists():
                error.add_note(f"the last whole checkpoint is kept; go on with: {go_on}")
            raise
    return 0


def _train_in_step(
    family: Family[C, D], experiment: Experiment[C, D], run: Run, device: torch.device, threads: int
) -> None:
    """Train; of several processes each begins when all have come here."""
    if process_count() == 1:
        family.train(experiment, run, device, threads)
        return
    from training.common.distributed import check_equal, lost_processes

    with lost_processes():
        check_equal(to_dict(experiment.config))
        run.logger().info("%d processes train; a batch is as large as those of all of them", process_count())
        family.train(experiment, run, device, threads)


def _evaluate_options(family: Family[C, D], split: str) -> argparse.Namespace:
    """The default values of the options of the evaluate command, for a split."""
    parser = argparse.ArgumentParser()
    family.add_evaluate_options(parser)
    return parser.parse_args([], argparse.Namespace(split=split))
