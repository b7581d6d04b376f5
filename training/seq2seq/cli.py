"""`lectern-train seq2seq train | evaluate | export`."""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

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
from training.common.config import add_flags, merge, to_dict
from training.common.device import pick_device, use_threads
from training.common.export import before_training, check_target
from training.common.run import Run
from training.seq2seq.config import FAMILY, PRESETS, TranslatorConfig, stored_config
from training.seq2seq.data.augment_fragments import with_fragments
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.licensing import check_shippable
from training.seq2seq.data.sources import load_data
from training.seq2seq.evaluate import evaluate
from training.seq2seq.export.bundle import WEIGHTS, export
from training.seq2seq.train import train

_NAME = "translate-en-de by the languages"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three commands."""
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    training = commands.add_parser("train", help="train, or continue a run that was stopped")
    training.set_defaults(run=_train)
    add_run_flags(training, PRESETS)
    training.add_argument("--export", action="store_true", help="then export; --name does so too")
    add_export_flags(training, _NAME, WEIGHTS)
    add_machine_flags(training)
    add_flags(training.add_argument_group("settings"), TranslatorConfig, PRESETS["default"])

    evaluating = commands.add_parser("evaluate", help="BLEU and chrF2 with their signatures, by length, with pictures")
    evaluating.set_defaults(run=_evaluate)
    evaluating.add_argument(
        "--split", default="dev",
        help="dev, test, or another that the data have; dev-fragments: without the marks at the ends (default: dev)",
    )  # fmt: skip
    evaluating.add_argument("--beam-size", type=positive, default=5, metavar="N", help="hypotheses kept (default: 5)")
    evaluating.add_argument(
        "--length-penalty", type=float, default=1.0, metavar="A", help="exponent of the length norm (default: 1.0)"
    )
    evaluating.add_argument(
        "--coverage-penalty", type=float, default=0.0, metavar="B",
        help="weight of what no piece attended to (default: 0.0)",
    )  # fmt: skip
    evaluating.add_argument(
        "--against", type=Path, metavar="RUN", help="another run, of the same test sentences, for the picture by length"
    )
    add_machine_flags(evaluating)

    exporting = commands.add_parser("export", help="check the ONNX graphs and write the next version of a bundle")
    exporting.set_defaults(run=_export)
    add_export_flags(exporting, _NAME, WEIGHTS)
    for command in (evaluating, exporting):
        add_finished_run_flags(command)


def _train(options: argparse.Namespace) -> int:
    config = _config(options)
    wanted = wants_export(options)
    device = pick_device(options.device)
    use_threads(options.threads)
    path = options.resume or options.run_path or Path("runs") / f"{FAMILY}-{datetime.now():%Y%m%d-%H%M%S}"
    data = load_data(config.data)
    with before_training(wanted):
        check_shippable(config, data)
    if wanted:
        check_target(options.name or _default_name(data), options.models)
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    log = run.logger()
    try:
        sizes = ", ".join(f"{len(pairs):,} {split}" for split, pairs in data.splits.items())
        log.info("%s: pairs: %s; run %s", data.name, sizes, path)
        for note in data.notes:
            log.info("note: %s", note)
        train(config, data, run, device)
    except Interrupted as error:
        log.info(
            "stopped (%s); the last whole epoch is kept. Go on with: lectern-train %s train --resume %s",
            error, FAMILY, path,
        )  # fmt: skip
        return error.code
    finally:
        run.close()
    print(evaluate(run, config, data, "dev", device).report())
    return _write(options, run, config, data) if wanted else 0


def _evaluate(options: argparse.Namespace) -> int:
    use_threads(options.threads)
    run, config, data = _open(options)
    found = evaluate(
        run, config, with_fragments(data, options.split), options.split, pick_device(options.device),
        beam_size=options.beam_size,
        length_penalty=options.length_penalty, coverage_penalty=options.coverage_penalty, against=options.against,
    )  # fmt: skip
    print(f"{found.report()}\n\npictures: {run.pictures}")
    return 0


def _export(options: argparse.Namespace) -> int:
    return _write(options, *_open(options))


def _write(options: argparse.Namespace, run: Run, config: TranslatorConfig, data: ParallelData) -> int:
    name = options.name or _default_name(data)
    check_target(name, options.models)
    note_unfinished(run, config.epochs)
    done = export(
        run, config, data, name=name, repository=options.models, licence=options.licence,
        description=options.description, weights=options.weights,
    )  # fmt: skip
    print(done.report())
    return 0


def _config(options: argparse.Namespace) -> TranslatorConfig:
    """The preset, or the resumed run's own settings, changed by the flags that were given.

    Of a run to begin with the network and the subwords are taken, which its weights need.
    """
    given = given_settings(options, TranslatorConfig)
    if options.resume is None:
        if "train" in given:
            given.setdefault("data", "")
        preset = PRESETS[options.preset or "default"]
        if given.get("init"):
            earlier = stored_config(Run.open(Path(given["init"]), family=FAMILY))
            data = replace(preset.data, lower_case=earlier.data.lower_case)
            preset = replace(preset, data=data, network=earlier.network, subwords=earlier.subwords)
        return merge(preset, given)
    check_resume(options, given)
    return stored_config(Run.open(options.resume, family=FAMILY))


def _open(options: argparse.Namespace) -> tuple[Run, TranslatorConfig, ParallelData]:
    run = Run.open(options.run_path, family=FAMILY)
    config = stored_config(run)
    return run, config, load_data(replace(config.data, **moved_files(options, run.path, config.data.data)))


def _default_name(data: ParallelData) -> str:
    """The model name an export takes when none is given."""
    return f"translate-{data.source}-{data.target}"
