"""`lectern-train lenet train | evaluate | export`."""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from training.common.cli import (
    Interrupted,
    add_export_flags,
    add_machine_flags,
    add_run_flags,
    check_resume,
    given_settings,
    note_unfinished,
    wants_export,
)
from training.common.config import add_flags, merge, to_dict
from training.common.device import pick_device, use_threads
from training.common.export import check_target
from training.common.run import Run
from training.lenet.config import FAMILY, PRESETS, LenetConfig, stored_config
from training.lenet.data.dataset import Digits, load_digits
from training.lenet.evaluate import evaluate
from training.lenet.export.bundle import default_name, export
from training.lenet.train import train

_NAME = "digits, or the name of the data's folder"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three commands."""
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    training = commands.add_parser("train", help="train, or continue a run that was stopped")
    training.set_defaults(run=_train)
    add_run_flags(training, PRESETS)
    training.add_argument("--export", action="store_true", help="then export; --name does so too")
    add_export_flags(training, _NAME)
    add_machine_flags(training)
    add_flags(training.add_argument_group("settings"), LenetConfig, PRESETS["default"])

    evaluating = commands.add_parser("evaluate", help="accuracy, errors by class, confusion matrix, pictures")
    evaluating.set_defaults(run=_evaluate)
    evaluating.add_argument(
        "--run", dest="run_path", type=Path, metavar="RUN", required=True, help="the run's directory"
    )
    evaluating.add_argument("--split", choices=("dev", "test"), default="dev", help="which images (default: dev)")
    add_machine_flags(evaluating)

    exporting = commands.add_parser("export", help="check the ONNX graph and write the next version of a bundle")
    exporting.set_defaults(run=_export)
    exporting.add_argument(
        "--run", dest="run_path", type=Path, metavar="RUN", required=True, help="the run's directory"
    )
    add_export_flags(exporting, _NAME)
    for command in (evaluating, exporting):
        command.add_argument("--data", default=None, help="where the run's data is now, if it was moved")


def _train(options: argparse.Namespace) -> int:
    config = _config(options)
    wanted = wants_export(options)
    if wanted:
        check_target(options.name or default_name(config), options.models)
    device = pick_device(options.device)
    use_threads(options.threads)
    path = options.resume or options.run_path or Path("runs") / f"lenet-{datetime.now():%Y%m%d-%H%M%S}"
    digits = load_digits(config)
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    try:
        run.logger().info(
            "%s: %d images to train on, %d held out, %d classes; run %s",
            digits.name, len(digits.train), len(digits.dev), len(digits.labels), path,
        )  # fmt: skip
        train(config, digits, run, device)
    except Interrupted as error:
        run.logger().info(
            "stopped (%s); the last whole epoch is kept. Go on with: lectern-train lenet train --resume %s", error, path
        )
        return error.code
    finally:
        run.close()
    print(evaluate(run, config, digits, "dev", device).report())
    return _write(options, run, config, digits) if wanted else 0


def _evaluate(options: argparse.Namespace) -> int:
    run, config, digits = _open(options)
    use_threads(options.threads)
    print(evaluate(run, config, digits, options.split, pick_device(options.device)).report())
    print(f"\npictures: {run.pictures}")
    return 0


def _export(options: argparse.Namespace) -> int:
    return _write(options, *_open(options))


def _write(options: argparse.Namespace, run: Run, config: LenetConfig, digits: Digits) -> int:
    name = options.name or default_name(config)
    check_target(name, options.models)
    note_unfinished(run, config.epochs)
    done = export(
        run,
        config,
        digits,
        name=name,
        repository=options.models,
        licence=options.licence,
        description=options.description,
    )
    print(
        f"ONNX equals PyTorch on {done.dev_images} held-out images and the samples "
        f"(greatest difference {done.greatest_difference:.1e})\nwrote {done.bundle.path}"
    )
    return 0


def _config(options: argparse.Namespace) -> LenetConfig:
    """The preset, or the resumed run's own settings, changed by the flags that were given."""
    given = given_settings(options, LenetConfig)
    if options.resume is None:
        return merge(PRESETS[options.preset or "default"], given)
    check_resume(options, given)
    return stored_config(Run.open(options.resume, family=FAMILY))


def _open(options: argparse.Namespace) -> tuple[Run, LenetConfig, Digits]:
    run = Run.open(options.run_path, family=FAMILY)
    config = stored_config(run)
    return run, config, load_digits(replace(config, data=options.data) if options.data else config)
