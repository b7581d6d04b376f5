"""Measures a translator between English and German by everyday sentences and by Tatoeba's.

    python -m tests.benchmarks.everyday --bundle models/translate-en-de/7 --half dev

README.md says how to read what is printed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from service.tasks.translation.everyday import run
from service.tasks.translation.text.rare_words import align, find_rare_words
from tests.benchmarks.translator_answers import (
    Translator,
    open_translator,
    parser_of,
    run_benchmark,
    scores,
    tatoeba_pairs,
)
from training.seq2seq.data.dataset import Pair

_SPELLINGS = {"Mary": ("Maria",), "Maria": ("Mary",)}
"""In Tatoeba's translations the one is the other as often as not."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the model, as models/translate-en-de/7")
    parser.add_argument("--half", choices=("dev", "test", "all"), default="dev", help="of the everyday sentences (dev)")
    parser.add_argument("--every", type=int, default=0, help="print the translation of every so many sentences")
    parser.add_argument("--tatoeba", type=int, default=0, help="score this many of Tatoeba's sentences too (0)")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="of Tatoeba (dev)")
    return run_benchmark("everyday", _measure, parser.parse_args(argv))


def _measure(options: argparse.Namespace) -> None:
    translator = open_translator(options.bundle)
    _print_everyday(options, translator)
    if options.tatoeba:
        _print_tatoeba(options, translator)


def _print_everyday(options: argparse.Namespace, translator: Translator) -> None:
    source, target, translate = translator
    report = run(translate, source, target, None if options.half == "all" else options.half)
    references = [line.sentence.texts[target] for line in report.lines]
    print(f"everyday, {source}-{target}, {options.half}; {scores([line.answer for line in report.lines], references)}")
    for number, line in enumerate(report.lines):
        if options.every and number % options.every == 0:
            print(f"  {line.sentence.texts[source]}\n    {line.answer}")
    if not options.every:
        for line in report.lines:
            if line.failures:
                print(f"  {line.sentence.kind}: {line.sentence.texts[source]}\n    {line.answer}")
                print(f"    {'; '.join(line.failures)}")
    print(report.table())


def _print_tatoeba(options: argparse.Namespace, translator: Translator) -> None:
    source, target, translate = translator
    pairs = tatoeba_pairs(source, target, options.split, options.tatoeba)
    answers = translate([pair.source for pair in pairs])
    print(f"Tatoeba {options.split}, {len(pairs):,} sentences; {scores(answers, [pair.target for pair in pairs])}")
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


if __name__ == "__main__":
    sys.exit(main())
