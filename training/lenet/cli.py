"""LeNet's part of the commands `lectern-train lenet train | evaluate | export | convert`."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from service.bundle.manifest import Task
from training.common.epochs import epochs_for
from training.common.export import note_unfinished
from training.common.family import Experiment, Family
from training.common.options import add_bundle_options, add_split_option
from training.common.run import Run
from training.lenet.config import FAMILY as NAME
from training.lenet.config import PRESETS, LenetConfig
from training.lenet.data.dataset import ImageData, load_images
from training.lenet.evaluate import Evaluation, evaluate
from training.lenet.export.bundle import default_name, export
from training.lenet.export.conversion import converted
from training.lenet.familiarity.evaluation import FamiliarityReport
from training.lenet.familiarity.fit import FEWEST_HELD_OUT
from training.lenet.train import train

_FEW_IMAGES = 50
"""Images of a class that are few to learn from."""

LenetExperiment = Experiment[LenetConfig, ImageData]


def _describe_data(experiment: LenetExperiment) -> list[str]:
    data = experiment.data
    lines = [f"{data.name}: {len(data.train)} images to train on, {len(data.dev)} held out, {len(data.labels)} classes"]
    fewest = int(np.bincount(data.train.labels, minlength=len(data.labels)).min())
    if fewest < _FEW_IMAGES and not experiment.config.init:
        lines.append(
            f"note: a class has only {fewest} images to train on; classes are recognized well from {_FEW_IMAGES} on"
        )
    return [*lines, *data.notes]


def _usual_epochs(experiment: LenetExperiment) -> int:
    config, usual = experiment.config, PRESETS["default"].epochs
    return config.epochs if config.init else epochs_for(len(experiment.data.train), usual=usual, enough=5_000)


def _shortcoming(experiment: LenetExperiment, run: Run) -> str:
    errors = [record["dev_errors"] for record in run.metrics()]
    labels = experiment.data.dev.labels
    commonest = int(np.bincount(labels).max())
    if not errors or len(labels) - min(errors) > commonest:
        return ""
    return (
        f"it reads {len(labels) - min(errors)} of {len(labels)} held-out images, no more than the label that most of "
        "them have"
    )


def _train(experiment: LenetExperiment, run: Run, device: torch.device, _threads: int) -> None:
    train(experiment.config, experiment.data, run, device)


def _add_evaluate_options(parser: ArgumentParser) -> None:
    add_split_option(parser, "which images", ("dev", "test"))


def _evaluate(experiment: LenetExperiment, run: Run, device: torch.device, options: Namespace) -> Evaluation:
    return evaluate(run, experiment.config, experiment.data, options.split, device)


def _add_export_options(parser: ArgumentParser) -> None:
    add_bundle_options(parser, "digits, or the name of the data's folder")
    parser.add_argument(
        "--familiarity",
        action=BooleanOptionalAction,
        default=True,
        help="fit an output that says whether an image is one of the classes at all (takes about a minute)",
    )
    parser.add_argument(
        "--fonts",
        type=Path,
        metavar="FOLDER",
        help="fonts to draw other characters with for --familiarity, beside those that matplotlib brings",
    )


def _export(experiment: LenetExperiment, run: Run, name: str, options: Namespace) -> str:
    note_unfinished(run, experiment.config.epochs)
    exported = export(
        run,
        experiment.config,
        experiment.data,
        name=name,
        repository=options.models,
        licence=options.licence,
        attribution=options.attribution,
        description=options.description,
        familiarity=options.familiarity,
        fonts=options.fonts,
    )
    return (
        f"ONNX equals PyTorch on {exported.dev_images} held-out images and the samples "
        f"(greatest difference {exported.greatest_difference:.1e})\n"
        f"{_familiarity_line(exported.familiarity, requested=options.familiarity)}wrote {exported.bundle.path}"
    )


def _familiarity_line(report: FamiliarityReport | None, *, requested: bool) -> str:
    """What became of familiarity, for the user; empty where it was not asked for."""
    if report is not None:
        members = next(kind for kind in report.kinds if kind.is_member).decided_right
        return f"familiarity: {members:.1%} of held-out images recognized, {report.flagged:.1%} of outliers not\n"
    if not requested:
        return ""
    return f"note: no familiarity: it takes {FEWEST_HELD_OUT} held-out images to calibrate (--dev)\n"


def _add_moved_data_options(parser: ArgumentParser) -> None:
    parser.add_argument("--data", default=None, help="where the run's data is now, if it was moved")


def _moved_data(config: LenetConfig, options: Namespace, _run: Path) -> LenetConfig:
    return replace(config, data=options.data) if options.data else config


FAMILY = Family(
    name=NAME,
    config=LenetConfig,
    presets=PRESETS,
    load_data=lambda config, _: load_images(config),
    describe_data=_describe_data,
    default_name=lambda experiment: default_name(experiment.config),
    train=_train,
    evaluate=_evaluate,
    evaluate_help="accuracy, errors by class, confusion matrix, pictures",
    export=_export,
    convert=converted,
    convert_task=Task.IMAGE_CLASSIFICATION,
    convert_help="write the next version of a bundle with what this release writes beside its graph, without a run",
    add_evaluate_options=_add_evaluate_options,
    add_export_options=_add_export_options,
    add_moved_data_options=_add_moved_data_options,
    moved_data=_moved_data,
    usual_epochs=_usual_epochs,
    default_split=lambda experiment: "dev" if experiment.data.test is None else "test",
    shortcoming=_shortcoming,
)
