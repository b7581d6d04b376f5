"""The tagger's part of the commands `lectern-train bilstm_crf train | evaluate | export`."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from service.bundle.manifest import Task
from training.bilstm_crf.config import FAMILY as NAME
from training.bilstm_crf.config import PRESETS, TaggerConfig
from training.bilstm_crf.data.augmentation import with_recased
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.licensing import auxiliary_data_set, check_redistributable
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.evaluate import Evaluation, evaluate
from training.bilstm_crf.export.bundle import WEIGHTS, export
from training.bilstm_crf.export.samples import read_sample_texts
from training.bilstm_crf.multi_seed import best_run, create_series, is_series, runs_of, series_config, summary
from training.bilstm_crf.quantize import configure_quantize
from training.bilstm_crf.segmentation import learns_segmentation
from training.bilstm_crf.train import train
from training.bilstm_crf.train_segmenter import train_segmenter
from training.common.accelerator_graphs import accelerated
from training.common.config import from_dict, merge
from training.common.epochs import epochs_for
from training.common.export import note_unfinished
from training.common.family import Experiment, Family, MultiSeed
from training.common.options import add_bundle_options, add_data_file_options, add_split_option, moved_data_files
from training.common.processes import is_main
from training.common.run import Run

_FEW_SENTENCES = 500

TaggerExperiment = Experiment[TaggerConfig, TaggedData]

_DEFAULT_NAMES = {"ewt": "pos-en", "uner-ewt": "ner-en"}


def _settings(preset: TaggerConfig, changes: dict[str, Any]) -> TaggerConfig:
    return merge(preset, {"data": "", **changes} if "train" in changes else changes)


def _describe_data(experiment: TaggerExperiment) -> list[str]:
    data = experiment.data
    sizes = ", ".join(f"{len(sentences):,} {name}" for name, sentences in data.splits.items())
    lines = [f"{data.name}: sentences: {sizes}", *(f"note: {note}" for note in data.notes)]
    if len(data.splits["train"]) < _FEW_SENTENCES:
        lines.append(f"note: few sentences to train on; taggers become useful with {_FEW_SENTENCES:,} and more")
    return lines


def _usual_epochs(experiment: TaggerExperiment) -> int:
    return epochs_for(len(experiment.data.splits["train"]), usual=PRESETS["default"].epochs, enough=400)


def _shortcoming(experiment: TaggerExperiment, run: Run) -> str:
    scores = [record["dev_score"] for record in run.metrics()]
    data = experiment.data
    if not scores:
        return ""
    score = scores[-1] if experiment.config.select == "last" else max(scores)  # of the weights that are kept
    if data.kind == "spans":
        return "" if score > 0 else "it finds no name of the dev sentences (F1 0)"
    tags = Counter(tag for sentence in data.splits["dev"] for tag in sentence.tags)
    share = max(tags.values()) / tags.total()
    if len(tags) < 2 or score > share:
        return ""
    return f"its dev accuracy is {score:.2%}, no more than that of one tag for every word"


def _default_name(experiment: TaggerExperiment) -> str:
    """The default name of a bundle: by known data set, or that of the training file."""
    data = experiment.config.data
    if data.data:
        first = data.data.split("+")[0]
        return _DEFAULT_NAMES.get(first, first)
    return Path(data.train).name.partition(".")[0].lower().replace(" ", "-")


def _check_data(experiment: TaggerExperiment, _options: Namespace) -> None:
    check_redistributable(experiment.data, auxiliary_data_set(experiment.config))


def _train(experiment: TaggerExperiment, run: Run, device: torch.device, _threads: int) -> None:
    config, data = experiment.config, experiment.data
    segmentation = learns_segmentation(config, data)  # refused before the tagger is trained
    train(config, data, run, device)
    if segmentation and is_main():  # it is small: one process trains it
        train_segmenter(config, data, run, device)


def _add_evaluate_options(parser: ArgumentParser) -> None:
    add_split_option(
        parser,
        "dev, test, or another that the data have, as test-btc; dev-lower and dev-upper: dev in lower case or capitals",
    )


def _evaluate(experiment: TaggerExperiment, run: Run, device: torch.device, options: Namespace) -> Evaluation:
    data = with_recased(experiment.data, options.split)
    return evaluate(run, experiment.config, data, options.split, device)


def _add_export_options(parser: ArgumentParser) -> None:
    add_bundle_options(
        parser, "pos-en or ner-en for the known data sets, otherwise the name of the training file", WEIGHTS
    )
    parser.add_argument(
        "--sample-texts",
        type=Path,
        metavar="FILE",
        help="texts of the stored samples, one a line (default: dev sentences if the tokenizer is learned, else "
        "English ones)",
    )


def _export(experiment: TaggerExperiment, run: Run, name: str, options: Namespace) -> str:
    note_unfinished(run, experiment.config.epochs)
    exported = export(
        run, experiment.config, experiment.data, name=name, repository=options.models, licence=options.licence,
        attribution=options.attribution, description=options.description, weights=options.weights,
        sample_texts=read_sample_texts(options.sample_texts) if options.sample_texts else (),
    )  # fmt: skip
    return exported.report()


def _add_commands(commands: Any) -> None:
    configure_quantize(
        commands.add_parser("quantize", help="write a bundle that computes in float32 as one that multiplies integers")
    )


def _moved_data(config: TaggerConfig, options: Namespace, run: Path) -> TaggerConfig:
    return replace(config, data=replace(config.data, **moved_data_files(options, run, config.data.data)))


def _stored_series(path: Path) -> tuple[TaggerConfig, int]:
    stored, count = series_config(path)
    return from_dict(TaggerConfig, stored, where=str(path)), count


def _summary(split: str, results: Sequence[Evaluation]) -> str:
    return summary(split, [result.headline for result in results])


FAMILY = Family(
    name=NAME,
    config=TaggerConfig,
    presets=PRESETS,
    settings=_settings,
    load_data=lambda config, _: load_data(config.data),
    describe_data=_describe_data,
    default_name=_default_name,
    check_data=_check_data,
    train=_train,
    evaluate=_evaluate,
    evaluate_help="accuracy or F1 by label, confusions, commonest errors, pictures",
    export=_export,
    convert=accelerated,
    convert_task=Task.TOKEN_CLASSIFICATION,
    run_help="the run's directory, or that of several seeds",
    add_evaluate_options=_add_evaluate_options,
    add_export_options=_add_export_options,
    add_commands=_add_commands,
    add_moved_data_options=add_data_file_options,
    moved_data=_moved_data,
    usual_epochs=_usual_epochs,
    final_splits=lambda experiment: experiment.data.evaluated_splits(),
    default_split=lambda experiment: "test" if "test" in experiment.data.splits else "dev",
    shortcoming=_shortcoming,
    multi_seed=MultiSeed(
        create=create_series,
        is_series=is_series,
        stored=_stored_series,
        runs_of=runs_of,
        best_run=best_run,
        summary=_summary,
    ),
)
