"""Measures a translator between English and German by everyday sentences and by Tatoeba's.

    python -m tests.benchmarks.everyday --bundle models/translate-en-de/3 --half dev

README.md says how to read what is printed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import sacrebleu

from service.bundle.files import BundleError, read_bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.everyday import LANGUAGES, run
from service.tasks.translation.text.rare_words import align, find_rare_words
from training.common.errors import UserError
from training.seq2seq.config import TATOEBA
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.sources import load_data

_MANY = 50_000
_SPELLINGS = {"Mary": ("Maria",), "Maria": ("Mary",)}
"""In Tatoeba's translations the one is the other as often as not."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the model, as models/translate-en-de/3")
    parser.add_argument("--half", choices=("dev", "test", "all"), default="dev", help="of the everyday sentences (dev)")
    parser.add_argument("--every", type=int, default=0, help="print the translation of every so many sentences")
    parser.add_argument("--tatoeba", type=int, default=0, help="score this many of Tatoeba's sentences too (0)")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="of Tatoeba (dev)")
    try:
        _measure(parser.parse_args(argv))
    except (BundleError, UserError) as error:
        print(f"everyday: {error}", file=sys.stderr)
        return 2
    return 0


def _measure(options: argparse.Namespace) -> None:
    limits = Limits(max_texts=_MANY, max_total_characters=_MANY * 100)
    predictor = load_predictor(read_bundle(options.bundle), session_opener(("cpu",), 1, False), limits)
    if not isinstance(predictor, TranslationPredictor) or set(predictor.selectors.values()) != set(LANGUAGES):
        raise BundleError(f"{options.bundle}: translates no English and German; name one as models/translate-en-de/3")
    source, target = predictor.selectors["source"], predictor.selectors["target"]

    def translate(texts: Sequence[str]) -> list[str]:
        return [result["text"] for result in predictor.answer({"texts": list(texts)})["results"]]

    _print_everyday(options, translate, source, target)
    if options.tatoeba:
        _print_tatoeba(options, translate, source, target)


def _print_everyday(
    options: argparse.Namespace, translate: Callable[[Sequence[str]], list[str]], source: str, target: str
) -> None:
    report = run(translate, source, target, None if options.half == "all" else options.half)
    references = [line.sentence.texts[target] for line in report.lines]
    print(f"everyday, {source}-{target}, {options.half}; {_scores([line.answer for line in report.lines], references)}")
    for number, line in enumerate(report.lines):
        if options.every and number % options.every == 0:
            print(f"  {line.sentence.texts[source]}\n    {line.answer}")
    if not options.every:
        for line in report.lines:
            if line.failures:
                print(f"  {line.sentence.kind}: {line.sentence.texts[source]}\n    {line.answer}")
                print(f"    {'; '.join(line.failures)}")
    print(report.table())


def _print_tatoeba(
    options: argparse.Namespace, translate: Callable[[Sequence[str]], list[str]], source: str, target: str
) -> None:
    names = {"en": "eng", "de": "deu"}
    data = load_data(replace(TATOEBA, data=f"tatoeba:{names[source]}-{names[target]}"))
    pairs = data.splits[options.split][: options.tatoeba]
    answers = translate([pair.source for pair in pairs])
    print(f"Tatoeba {options.split}, {len(pairs):,} sentences; {_scores(answers, [pair.target for pair in pairs])}")
    right = total = 0
    for pair, answer in zip(pairs, answers, strict=True):
        expected = _shared(pair, (source, target))
        total += bool(expected)
        missing = [text for text in expected if not _has(answer, text)]
        right += bool(expected) and not missing
        if missing:
            print(f"  {pair.source}\n    {answer}\n    lost: {', '.join(missing)}")
    print(f"  numbers, dates and names there: {right} of {total}  {right / max(total, 1):.1%}")


def _shared(pair: Pair, languages: tuple[str, str]) -> list[str]:
    """What the reference has as the source has it: numbers and dates in its own notation, names as they are."""
    spans = find_rare_words(pair.source, *languages)
    numbers = [pair.target[start:end] for _, (start, end) in align(pair.source, spans, pair.target, languages)]
    words = re.findall(r"(?<!^)(?<![.!?\"\u201e] )\b[A-Z\u00c4\u00d6\u00dc][^\W\d_]{2,}", pair.source)
    return numbers + [word for word in dict.fromkeys(words) if re.search(rf"(?<!\w){word}(?!\w)", pair.target)]


def _has(answer: str, text: str) -> bool:
    spellings = "|".join(map(re.escape, (text, *_SPELLINGS.get(text, ()))))
    return bool(re.search(rf"(?<!\w)(?:{spellings})(?!\d|[.,]\d)", answer))


def _scores(answers: Sequence[str], references: Sequence[str]) -> str:
    bleu = sacrebleu.corpus_bleu(list(answers), [list(references)]).score
    chrf = sacrebleu.corpus_chrf(list(answers), [list(references)]).score
    return f"BLEU {bleu:.2f}, chrF2 {chrf:.2f}"


if __name__ == "__main__":
    sys.exit(main())
