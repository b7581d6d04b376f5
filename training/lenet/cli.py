"""LeNet's part of the commands `lectern-train lenet train | evaluate | export`."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

import torch

from training.common.export import note_unfinished
from training.common.family import Experiment, Family
from training.common.options import add_bundle_options
from training.common.run import Run
from training.lenet.config import FAMILY as NAME
from training.lenet.config import PRESETS, LenetConfig
from training.lenet.data.dataset import ImageData, load_images
from training.lenet.evaluate import Evaluation, evaluate
from training.lenet.export.bundle import default_name, export
from training.lenet.train import train

LenetExperiment = Experiment[LenetConfig, ImageData]


def _describe_data(experiment: LenetExperiment) -> list[str]:
    data = experiment.data
    return [f"{data.name}: {len(data.train)} images to train on, {len(data.dev)} held out, {len(data.labels)} classes"]


def _train(experiment: LenetExperiment, run: Run, device: torch.device, _threads: int) -> None:
    train(experiment.config, experiment.data, run, device)


def _add_evaluate_options(parser: ArgumentParser) -> None:
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="which images (default: dev)")


def _evaluate(experiment: LenetExperiment, run: Run, device: torch.device, options: Namespace) -> Evaluation:
    return evaluate(run, experiment.config, experiment.data, options.split, device)


def _add_export_options(parser: ArgumentParser) -> None:
    add_bundle_options(parser, "digits, or the name of the data's folder")


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
    )
    return (
        f"ONNX equals PyTorch on {exported.dev_images} held-out images and the samples "
        f"(greatest difference {exported.greatest_difference:.1e})\nwrote {exported.bundle.path}"
    )


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
    add_evaluate_options=_add_evaluate_options,
    add_export_options=_add_export_options,
    add_moved_data_options=_add_moved_data_options,
    moved_data=_moved_data,
)
