"""The translator's part of the commands `lectern-train seq2seq train | evaluate | export`."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from service.output import write
from training.common.config import merge
from training.common.device import use_threads
from training.common.export import note_unfinished
from training.common.family import Experiment, Family
from training.common.options import (
    add_bundle_options,
    add_data_file_options,
    add_machine_options,
    moved_data_files,
    positive,
)
from training.common.run import Run
from training.seq2seq.config import FAMILY as NAME
from training.seq2seq.config import PRESETS, TranslatorConfig
from training.seq2seq.data.augment_fragments import with_fragments
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.licensing import check_redistributable
from training.seq2seq.data.sources import load_data
from training.seq2seq.distillation import open_model, read_sentences, translate_corpus
from training.seq2seq.evaluate import Evaluation, evaluate
from training.seq2seq.export.bundle import WEIGHTS, export
from training.seq2seq.initialization import initial_config
from training.seq2seq.train import train

TranslatorExperiment = Experiment[TranslatorConfig, ParallelData]


def _settings(preset: TranslatorConfig, changes: dict[str, Any]) -> TranslatorConfig:
    """The preset, with the settings that are set by options.

    With `--init`, the network and subword settings are those of that run or bundle, as its weights require.
    """
    if "train" in changes:
        changes = {"data": "", **changes}
    if changes.get("init"):
        earlier = initial_config(changes["init"])
        data = replace(preset.data, lower_case=earlier.data.lower_case)
        preset = replace(preset, data=data, network=earlier.network, subwords=earlier.subwords)
    return merge(preset, changes)


def _describe_data(experiment: TranslatorExperiment) -> list[str]:
    data = experiment.data
    sizes = ", ".join(f"{len(pairs):,} {split}" for split, pairs in data.splits.items())
    return [f"{data.name}: pairs: {sizes}", *(f"note: {note}" for note in data.notes)]


def _check_data(experiment: TranslatorExperiment, _options: Namespace) -> None:
    check_redistributable(experiment.config, experiment.data)


def _train(experiment: TranslatorExperiment, run: Run, device: torch.device, _threads: int) -> None:
    train(experiment.config, experiment.data, run, device)


def _add_evaluate_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--split", default="dev",
        help="dev, test, or another that the data have; "
        "dev-fragments: the dev split without final punctuation (default: dev)",
    )  # fmt: skip
    parser.add_argument("--beam-size", type=positive, default=5, metavar="N", help="beam size (default: 5)")
    parser.add_argument(
        "--length-penalty",
        type=float,
        default=1.0,
        metavar="A",
        help="exponent of the length normalization (alpha) (default: 1.0)",
    )
    parser.add_argument(
        "--coverage-penalty", type=float, default=0.0, metavar="B",
        help="weight of the coverage penalty for source tokens that got little attention "
        "(Wu et al. 2016, beta) (default: 0.0)",
    )  # fmt: skip
    parser.add_argument(
        "--against", type=Path, metavar="RUN", help="another run, of the same test sentences, for the picture by length"
    )


def _evaluate(experiment: TranslatorExperiment, run: Run, device: torch.device, options: Namespace) -> Evaluation:
    data = with_fragments(experiment.data, options.split)
    return evaluate(
        run, experiment.config, data, options.split, device,
        beam_size=options.beam_size,
        length_penalty=options.length_penalty, coverage_penalty=options.coverage_penalty, against=options.against,
    )  # fmt: skip


def _add_export_options(parser: ArgumentParser) -> None:
    add_bundle_options(parser, "translate-en-de by the languages", WEIGHTS)


def _export(experiment: TranslatorExperiment, run: Run, name: str, options: Namespace) -> str:
    note_unfinished(run, experiment.config.epochs)
    exported = export(
        run, experiment.config, experiment.data, name=name, repository=options.models, licence=options.licence,
        attribution=options.attribution, description=options.description, weights=options.weights,
    )  # fmt: skip
    return exported.report()


def _add_commands(commands: Any) -> None:
    parser = commands.add_parser(
        "translate", help="translate a corpus and write the pairs, to train on (distillation, back-translation)"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run, or the version of a bundle")
    corpus = parser.add_mutually_exclusive_group(required=True)
    corpus.add_argument("--data", default="", help="translate the training sentences of this data set: tatoeba:eng-deu")
    corpus.add_argument("--text", default="", metavar="FILE", help="translate this file, a sentence per line")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="table of pairs; it is continued if it exists"
    )
    parser.add_argument("--swap", action="store_true", help="write the translation first, for back-translation")
    parser.add_argument("--beam-size", type=positive, default=5, metavar="N", help="beam size (default: 5)")
    add_machine_options(parser)
    parser.set_defaults(command_function=_translate)


def _translate(options: Namespace) -> int:
    use_threads(options.threads)
    translate_batch, language = open_model(options.model, options.beam_size)
    sentences = read_sentences(options.data, options.text, language)
    count = translate_corpus(translate_batch, sentences, options.output, swap=options.swap)
    write(f"{options.output}: {count:,} sentences translated")
    return 0


def _moved_data(config: TranslatorConfig, options: Namespace, run: Path) -> TranslatorConfig:
    return replace(config, data=replace(config.data, **moved_data_files(options, run, config.data.data)))


FAMILY = Family(
    name=NAME,
    config=TranslatorConfig,
    presets=PRESETS,
    settings=_settings,
    load_data=lambda config, _: load_data(config.data),
    describe_data=_describe_data,
    default_name=lambda experiment: f"translate-{experiment.data.source}-{experiment.data.target}",
    check_data=_check_data,
    train=_train,
    evaluate=_evaluate,
    evaluate_help="BLEU and chrF2 with their signatures, by length, with pictures",
    export=_export,
    export_help="check the ONNX graphs and write the next version of a bundle",
    add_evaluate_options=_add_evaluate_options,
    add_export_options=_add_export_options,
    add_moved_data_options=add_data_file_options,
    moved_data=_moved_data,
    add_commands=_add_commands,
)
