"""`lectern-train bilstm_crf quantize`: a tagger that computes in float32 as one that multiplies integers."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from service.bundle.files import Bundle, BundleError, draft_bundle, read_bundle
from service.bundle.manifest import Comparison
from service.output import write
from service.tasks.token_classification.segmentation_graph import SEGMENTER
from training.bilstm_crf.export.bundle import TOLERANCES, tagger_graphs
from training.bilstm_crf.export.dequantize import tagger_of_bundle
from training.bilstm_crf.export.graph import Weights
from training.bilstm_crf.export.samples import NOISE, make_samples, read_sample_texts
from training.common.conversion import unchanged_files
from training.common.errors import ConfigError, ExportError
from training.common.onnx_models import read_model
from training.common.samples import SampleAnswers, check_answers

MAX_CHANGED_TAGS = 0.001
"""The share of tags that quantizing may change."""

_WEIGHTS: Weights = "int8"
_ROW = re.compile(r"^\| Weights \|.*$", re.MULTILINE)


class Changes(NamedTuple):
    """The tags of a text by the old and by the new version."""

    tags: int
    changed: int

    @property
    def share(self) -> float:
        """The share that changed."""
        return self.changed / max(1, self.tags)


def configure_quantize(parser: ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("bundle", type=Path, help="the version to quantize, as models/pos-xx/1")
    parser.add_argument(
        "--models", type=Path, help="the repository that gets the next version (default: the one the bundle is in)"
    )
    parser.add_argument(
        "--text", type=Path, required=True, metavar="FILE",
        help="texts in the tagger's language, one a line, of some thousand words: 0.1 %% of their tags may change",
    )  # fmt: skip
    parser.add_argument("--sample-texts", type=Path, metavar="FILE", help="as for the command export")
    parser.set_defaults(command_function=run_quantize)


def run_quantize(options: Namespace) -> int:
    """Write the version and report; returns the exit code."""
    try:
        bundle = read_bundle(options.bundle)
    except BundleError as error:
        raise ConfigError(f"{error}; name the folder of a version, such as models/pos-xx/1") from error
    texts = read_sample_texts(options.text, "--text")
    sample_texts = read_sample_texts(options.sample_texts) if options.sample_texts else ()
    quantized, changes = quantize(bundle, options.models or options.bundle.resolve().parents[1], texts, sample_texts)
    write(f"{changes.changed:,} of {changes.tags:,} tags changed\nwrote {quantized.path}")
    return 0


def quantize(
    bundle: Bundle, repository: Path, texts: Sequence[str], sample_texts: Sequence[str] = ()
) -> tuple[Bundle, Changes]:
    """Write the next version of a tagger, whose LSTMs multiply integers, if it tags texts as the old one.

    Args:
        bundle: a version that computes in float32.
        repository: where the bundle goes.
        texts: texts whose tags are compared.
        sample_texts: texts of the samples; by default English ones, or those of the old samples.

    Returns:
        The bundle, and how many tags of the texts changed.

    Raises:
        ConfigError: it is no tagger that can be quantized.
        ExportError: more than 0.1 % of the tags changed; nothing is written.
    """
    tagger = tagger_of_bundle(bundle)
    others = {}
    if SEGMENTER in bundle.manifest.graphs:
        segmenter = bundle.manifest.graphs[SEGMENTER]
        others[SEGMENTER] = segmenter.model_copy(update={"variants": {}}), read_model(bundle.file(segmenter.file))
    graphs, files = tagger_graphs(tagger, _WEIGHTS, others)
    source = bundle.manifest.provenance
    config = source.config | {
        "weights": _WEIGHTS,
        "quantized_from": f"{bundle.manifest.name}/{bundle.manifest.version}",
    }
    manifest = bundle.manifest.model_copy(
        update={
            "graphs": graphs,
            "provenance": source.model_copy(update={"config": config}),
            "comparison": Comparison(kind="scores", tolerance=TOLERANCES[_WEIGHTS]),
        }
    )
    with draft_bundle(repository, manifest, unchanged_files(bundle) | files) as draft:
        answers = SampleAnswers(draft.bundle, NOISE)
        changes = _compare(SampleAnswers(bundle), answers, texts)
        if changes.share > MAX_CHANGED_TAGS:
            raise ExportError(
                f"{changes.changed:,} of {changes.tags:,} tags change, the limit is {MAX_CHANGED_TAGS:.1%}; nothing "
                "was written. Give a longer --text, or serve the version as it is"
            )
        samples = make_samples(answers, sample_texts or _earlier_texts(bundle))
        check_answers(draft.bundle, samples)
        quantized = draft.publish(samples, _card(bundle, changes))
    return quantized, changes


def _compare(old: SampleAnswers, new: SampleAnswers, texts: Sequence[str]) -> Changes:
    tags = changed = 0
    for text in texts:
        (before,), (after,) = (answers.answer({"text": text}) for answers in (old, new))
        pairs = list(zip(before["tokens"], after["tokens"], strict=True))
        tags += len(pairs)
        changed += sum(one["tag"] != other["tag"] for one, other in pairs)
    return Changes(tags, changed)


def _earlier_texts(bundle: Bundle) -> Sequence[str]:
    """The texts of the samples where the tokenizer is learned, as the usual ones are English."""
    if bundle.manifest.preprocessing["tokenizer"] != "learned":
        return ()
    requests: list[Any] = [sample.request for sample in bundle.samples()]
    texts = [text for request in requests for text in (request.get("texts") or [request.get("text")])]
    return [text for text in texts if text and text.strip()]


def _card(bundle: Bundle, changes: Changes) -> str:
    """The card of the old version with another row about the weights."""
    row = (
        f"| Weights | int8, multiplied in integers; made from version {bundle.manifest.version}, of whose tags "
        f"{changes.changed:,} of {changes.tags:,} changed |"
    )
    return _ROW.sub(lambda _: row, bundle.model_card())
