"""The translator's part of the commands `lectern-train seq2seq train | evaluate | export`."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from service.bundle.manifest import Task
from service.output import write
from training.common.config import merge
from training.common.device import use_threads
from training.common.epochs import epochs_for
from training.common.errors import ConfigError
from training.common.export import note_unfinished
from training.common.family import Experiment, Family
from training.common.line_faults import counted
from training.common.options import (
    add_bundle_options,
    add_data_file_options,
    add_machine_options,
    add_split_option,
    moved_data_files,
    percentage,
    positive,
)
from training.common.run import Run
from training.seq2seq.config import FAMILY as NAME
from training.seq2seq.config import PRESETS, TranslatorConfig
from training.seq2seq.data.augment_fragments import with_fragments
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.licensing import check_redistributable
from training.seq2seq.data.sources import load_data
from training.seq2seq.distillation import (
    TranslationFilter,
    load_data_in,
    near_reference,
    open_model,
    open_round_trip,
    read_sentences,
    translate_corpus,
)
from training.seq2seq.evaluate import Evaluation, evaluate
from training.seq2seq.export.bundle import WEIGHTS, export, exported_bleu
from training.seq2seq.export.conversion import converted
from training.seq2seq.initialization import initial_config
from training.seq2seq.train import train

_FEW_PAIRS = 20_000
_LEAST_BLEU = 1.0
_MIN_CHRF = 60.0
"""Of a sentence and the translation of its translation, where the options do not say it."""

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
    lines = [f"{data.training_name}: pairs: {sizes}", *(f"note: {note}" for note in data.notes)]
    if len(data.splits["train"]) < _FEW_PAIRS and not experiment.config.init:
        lines.append(
            f"note: {len(data.splits['train']):,} pairs are few: expect it to know hardly more than these sentences. "
            f"Translators become useful with {_FEW_PAIRS:,} and more; --init goes on with a translator that there is"
        )
    return lines


def _check_data(experiment: TranslatorExperiment, _options: Namespace) -> None:
    check_redistributable(experiment.config, experiment.data)


def _train(experiment: TranslatorExperiment, run: Run, device: torch.device, _threads: int) -> None:
    train(experiment.config, experiment.data, run, device)


def _add_evaluate_options(parser: ArgumentParser) -> None:
    add_split_option(
        parser, "dev, test, or another that the data have; dev-fragments: the dev split without final punctuation"
    )
    as_exported = "as in the last evaluation on dev, which an exported model takes over; at first"
    parser.add_argument(
        "--beam-size", type=positive, default=None, metavar="N", help=f"beam size (default: {as_exported} 5)"
    )
    parser.add_argument(
        "--length-penalty",
        type=float,
        default=None,
        metavar="A",
        help=f"exponent of the length normalization (alpha) (default: {as_exported} 1.0)",
    )
    parser.add_argument(
        "--coverage-penalty", type=float, default=None, metavar="B",
        help="weight of the coverage penalty for source tokens that got little attention "
        f"(Wu et al. 2016, beta) (default: {as_exported} 0.0)",
    )  # fmt: skip
    parser.add_argument(
        "--against", type=Path, metavar="RUN", help="another run, of the same test sentences, for the picture by length"
    )


def _evaluate(experiment: TranslatorExperiment, run: Run, device: torch.device, options: Namespace) -> Evaluation:
    data = with_fragments(experiment.data, options.split)
    earlier = run.evaluations().get("dev", {})
    names = ("beam_size", "length_penalty", "coverage_penalty")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    settings = {name: earlier[name] for name in names if name in earlier} | chosen
    return evaluate(run, experiment.config, data, options.split, device, against=options.against, **settings)


def _usual_epochs(experiment: TranslatorExperiment) -> int:
    """The usual number of passes over a hundred thousand pairs and more, of which each epoch may be a share."""
    config = experiment.config
    passes = epochs_for(len(experiment.data.splits["train"]), usual=PRESETS["default"].epochs, enough=100_000)
    return config.epochs if config.init else round(passes / config.epoch_share)


def _shortcoming(experiment: TranslatorExperiment, run: Run) -> str:
    bleu = exported_bleu(run, experiment.config, experiment.data)
    return "" if bleu >= _LEAST_BLEU else f"its dev BLEU is {bleu:.2f}, below {_LEAST_BLEU:g}: it does not translate"


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
    parser.add_argument(
        "--except", dest="excluded", default="", metavar="DATA",
        help="leave out the sentences that this data set has, in dev and test too, case and punctuation aside",
    )  # fmt: skip
    parser.add_argument(
        "--min-words", type=positive, default=1, metavar="N", help="leave out shorter sentences (default: 1)"
    )
    parser.add_argument(
        "--back", type=Path, metavar="MODEL",
        help="a run or bundle that translates back; translations that it does not bring back to about the same "
        "sentence are left out",
    )  # fmt: skip
    parser.add_argument(
        "--min-chrf", type=percentage, metavar="X",
        help=f"with --back: the least chrF2, 0 to 100 (default: {_MIN_CHRF:g})",
    )  # fmt: skip
    parser.add_argument(
        "--min-reference-chrf", type=percentage, metavar="X",
        help="with --data: keep only translations that are neither the sentence itself nor its translation in the data "
        "set, and have a chrF2 of at least X, 0 to 100, with the closest one there; for data diversification (Nguyen "
        "et al. 2020)",
    )  # fmt: skip
    parser.add_argument("--beam-size", type=positive, default=5, metavar="N", help="beam size (default: 5)")
    add_machine_options(parser)
    parser.set_defaults(command_function=_translate)


def _translate(options: Namespace) -> int:
    use_threads(options.threads)
    if options.min_reference_chrf is not None and not options.data:
        raise ConfigError("--min-reference-chrf compares with the translations of --data; a --text has none")
    if options.min_chrf is not None and not options.back:
        raise ConfigError("--min-chrf compares sentences with what --back makes of their translations; name a model")
    translate_batch, language = open_model(options.model, options.beam_size)
    data = load_data_in(language, "--data", options.data) if options.data else None
    filters: list[TranslationFilter] = []
    if data and options.min_reference_chrf is not None:
        filters.append(near_reference(data, options.min_reference_chrf))
    if options.back:
        least = _MIN_CHRF if options.min_chrf is None else options.min_chrf
        filters.append(open_round_trip(options.back, language, least))
    sentences = read_sentences(data, options.text, language, options.excluded, options.min_words)
    count = translate_corpus(translate_batch, sentences, options.output, swap=options.swap, filters=filters)
    write(f"{options.output}: {counted(count, 'translation')} written")
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
    convert=converted,
    convert_task=Task.TRANSLATION,
    export_help="check the ONNX graphs and write the next version of a bundle",
    add_evaluate_options=_add_evaluate_options,
    add_export_options=_add_export_options,
    add_moved_data_options=add_data_file_options,
    moved_data=_moved_data,
    add_commands=_add_commands,
    usual_epochs=_usual_epochs,
    default_split=lambda experiment: "test" if "test" in experiment.data.splits else "dev",
    shortcoming=_shortcoming,
)
