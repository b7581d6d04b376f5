"""`lectern-train bilstm_crf train | evaluate | export`."""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import torch

from training.bilstm_crf.config import FAMILY, PRESETS, DataConfig, TaggerConfig, stored_config
from training.bilstm_crf.data.auxiliary_data import check_shippable, helping_data
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.evaluate import evaluate
from training.bilstm_crf.export.bundle import WEIGHTS, export
from training.bilstm_crf.multi_seed import best_run, create_series, is_series, runs_of, series_config, summary
from training.bilstm_crf.train import train
from training.common.cli import (
    Interrupted,
    add_export_flags,
    add_finished_run_flags,
    add_machine_flags,
    add_run_flags,
    check_resume,
    given_settings,
    moved_files,
    note_unfinished,
    positive,
    wants_export,
)
from training.common.config import add_flags, from_dict, merge, to_dict
from training.common.device import pick_device, use_threads
from training.common.export import before_training, check_target
from training.common.run import Run

_NAME = "pos-en, ner-en, or that of the file"
_DEFAULT_NAMES = {"ewt": "pos-en", "uner-ewt": "ner-en"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three commands."""
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    training = commands.add_parser("train", help="train, or continue a run that was stopped")
    training.set_defaults(run=_train)
    add_run_flags(training, PRESETS)
    training.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="train N times, with N seeds: mean and deviation"
    )
    training.add_argument("--export", action="store_true", help="then export; --name does so too")
    add_export_flags(training, _NAME, WEIGHTS)
    add_machine_flags(training)
    add_flags(training.add_argument_group("settings"), TaggerConfig, PRESETS["default"])

    evaluating = commands.add_parser("evaluate", help="accuracy or F1 by label, confusions, commonest errors, pictures")
    evaluating.set_defaults(run=_evaluate)
    evaluating.add_argument(
        "--split", default="dev", help="dev, test, or another that the data have, as test-btc (default: dev)"
    )
    add_machine_flags(evaluating)

    exporting = commands.add_parser("export", help="check the ONNX graph and write the next version of a bundle")
    exporting.set_defaults(run=_export)
    add_export_flags(exporting, _NAME, WEIGHTS)
    for command in (evaluating, exporting):
        add_finished_run_flags(command, "the run's directory, or that of several seeds")


def _train(options: argparse.Namespace) -> int:
    config, count = _config(options)
    wanted = wants_export(options)
    device = pick_device(options.device)
    use_threads(options.threads)
    path = options.resume or options.run_path or Path("runs") / f"{FAMILY}-{datetime.now():%Y%m%d-%H%M%S}"
    data = load_data(config.data)
    with before_training(wanted):
        check_shippable(data, helping_data(config))
    if wanted:
        check_target(options.name or _default_name(config.data), options.models)
    alone = count == 1 and not is_series(path)
    for folder, settings in [(path, config)] if alone else create_series(path, config, count):
        code = _train_one(settings, data, folder, path, device)
        if code:
            return code
    _report(path, "dev", device, options)
    return _write(options, path) if wanted else 0


def _train_one(config: TaggerConfig, data: TaggedData, path: Path, resume: Path, device: torch.device) -> int:
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    log = run.logger()
    try:
        sizes = ", ".join(f"{len(sentences):,} {name}" for name, sentences in data.splits.items())
        log.info("%s: sentences: %s; run %s", data.name, sizes, path)
        for note in data.notes:
            log.info("note: %s", note)
        train(config, data, run, device)
    except Interrupted as error:
        log.info(
            "stopped (%s); the last whole epoch is kept. Go on with: lectern-train %s train --resume %s",
            error, FAMILY, resume,
        )  # fmt: skip
        return error.code
    finally:
        run.close()
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    use_threads(options.threads)
    _report(options.run_path, options.split, pick_device(options.device), options)
    return 0


def _report(path: Path, split: str, device: torch.device, options: argparse.Namespace) -> None:
    """Evaluate a run, or every run of a series, and print what was found."""
    scores = []
    for folder in runs_of(path):
        run, config, data = _open(folder, options)
        found = evaluate(run, config, data, split, device)
        scores.append(found.headline)
        print(f"{found.report()}\n\npictures: {run.pictures}")
    if is_series(path):
        print(f"\n{summary(split, scores)}")


def _export(options: argparse.Namespace) -> int:
    return _write(options, options.run_path)


def _write(options: argparse.Namespace, path: Path) -> int:
    run, config, data = _open(best_run(path), options)
    name = options.name or _default_name(config.data)
    check_target(name, options.models)
    note_unfinished(run, config.epochs)
    if is_series(path):
        print(f"the best on dev: {run.path}")
    done = export(
        run, config, data, name=name, repository=options.models, licence=options.licence,
        description=options.description, weights=options.weights,
    )  # fmt: skip
    print(done.report())
    return 0


def _config(options: argparse.Namespace) -> tuple[TaggerConfig, int]:
    """The preset, or the resumed run's own settings, changed by the flags that were given; and how many seeds."""
    given = given_settings(options, TaggerConfig)
    if options.resume is None:
        if "train" in given:
            given.setdefault("data", "")
        return merge(PRESETS[options.preset or "default"], given), options.seeds
    check_resume(options, [*given, *(["seeds"] if options.seeds > 1 else [])])
    if is_series(options.resume):
        stored, count = series_config(options.resume)
        return from_dict(TaggerConfig, stored, where=str(options.resume)), count
    return stored_config(Run.open(options.resume, family=FAMILY)), 1


def _open(path: Path, options: argparse.Namespace) -> tuple[Run, TaggerConfig, TaggedData]:
    run = Run.open(path, family=FAMILY)
    config = stored_config(run)
    return run, config, load_data(replace(config.data, **moved_files(options, path, config.data.data)))


def _default_name(data: DataConfig) -> str:
    """The model name an export takes when none is given."""
    if data.data:
        return _DEFAULT_NAMES.get(data.data.split("+")[0], data.data.split("+")[0])
    return Path(data.train).name.partition(".")[0].lower().replace(" ", "-")
