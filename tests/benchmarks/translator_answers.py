"""What the benchmarks of translators' answers share: opening a bundle, scoring, and errors as one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from service.bundle.files import BundleError, read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from service.tasks.translation import TranslationPredictor
from training.common.errors import UserError
from training.seq2seq.config import TATOEBA
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.sources import load_data

LANGUAGES = frozenset(("de", "en"))
_TATOEBA_NAMES = {"en": "eng", "de": "deu"}


class Translator(NamedTuple):
    """A translator between English and German."""

    source: str
    target: str
    translate: Callable[[Sequence[str]], list[str]]
    """Translations of texts."""


def open_translator(path: Path) -> Translator:
    """A translator that answers in this process, as `open_predictor` does.

    Raises:
        BundleError: the bundle is damaged, or does not translate between English and German.
    """
    predictor = open_predictor(path)

    def translate(texts: Sequence[str]) -> list[str]:
        return [result["text"] for result in predictor.answer({"texts": list(texts)})["results"]]

    return Translator(predictor.selectors["source"], predictor.selectors["target"], translate)


def open_predictor(path: Path) -> TranslationPredictor:
    """The service's predictor of a bundle in this process, one thread, any number of texts at once.

    Raises:
        BundleError: the bundle is damaged, or does not translate between English and German.
    """
    limits = Limits().model_copy(update={"max_texts": sys.maxsize, "max_total_characters": sys.maxsize})
    predictor = load_predictor(read_bundle(path), session_opener(("cpu",), 1, False), limits)
    if not isinstance(predictor, TranslationPredictor) or set(predictor.selectors.values()) != LANGUAGES:
        raise BundleError(f"{path}: is no translator of English and German; name one, as models/translate-en-de/7")
    return predictor


def tatoeba_pairs(source: str, target: str, split: str, count: int) -> list[Pair]:
    """The first sentences of a split of Tatoeba's, with their translations.

    Raises:
        UserError: there is no such data.
    """
    data = load_data(replace(TATOEBA, data=f"tatoeba:{_TATOEBA_NAMES[source]}-{_TATOEBA_NAMES[target]}"))
    return list(data.splits[split][:count])


def scores(answers: Sequence[str], references: Sequence[str]) -> str:
    """BLEU and chrF2 with sacreBLEU's defaults, as text."""
    import sacrebleu

    bleu = sacrebleu.corpus_bleu(list(answers), [list(references)]).score
    chrf = sacrebleu.corpus_chrf(list(answers), [list(references)]).score
    return f"BLEU {bleu:.2f}, chrF2 {chrf:.2f}"


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows the module's docstring as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def run_benchmark(name: str, measure: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Run a benchmark; an unusable bundle, run or data set becomes one line.

    Returns:
        The exit code: 0, or 2 for such an error.
    """
    try:
        measure(options)
    except (BundleError, UserError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
