"""Counts the sentences that a translator between English and German gives back instead of translating them.

    python -m tests.benchmarks.kept_sentences --bundle models/translate-en-de/7
    python -m tests.benchmarks.kept_sentences --bundle models/translate-de-en/7 --beam-size 1

README.md says how to read what is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from service.tasks.translation import TranslationPredictor
from service.tasks.translation.everyday import read_sentences
from tests.benchmarks.translator_answers import open_predictor, parser_of, run_benchmark, tatoeba_pairs

_AT_ONCE = 100
"""Texts of one request."""


def main(argv: Sequence[str] | None = None) -> int:
    """Count; returns the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the model, as models/translate-en-de/7")
    parser.add_argument("--beam-size", type=int, help="1 is greedy (the model's default)")
    parser.add_argument("--tatoeba", type=int, default=2000, help="this many of Tatoeba's sentences (2,000)")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="of both data sets (dev)")
    return run_benchmark("kept_sentences", _count, parser.parse_args(argv))


def _count(options: argparse.Namespace) -> None:
    predictor = open_predictor(options.bundle)
    source, target = predictor.selectors["source"], predictor.selectors["target"]
    everyday = [sentence.texts[source] for sentence in read_sentences() if sentence.half == options.split]
    tatoeba = [pair.source for pair in tatoeba_pairs(source, target, options.split, options.tatoeba)]
    for name, texts in (("Tatoeba", tatoeba), ("everyday", everyday)):
        kept = _kept(predictor, texts, options.beam_size)
        print(f"{name} {options.split}, {source}-{target}: {len(kept):,} of {len(texts):,} sentences are kept")
        for text, reasons in kept:
            print(f"  {', '.join(reasons)}: {text}")


def _kept(predictor: TranslationPredictor, texts: Sequence[str], beam_size: int | None) -> list[tuple[str, list[str]]]:
    """The texts of which a part is kept, with the reasons."""
    kept: list[tuple[str, list[str]]] = []
    for first in range(0, len(texts), _AT_ONCE):
        request = {"texts": list(texts[first : first + _AT_ONCE]), "beam_size": beam_size}
        results = predictor.answer(request)["results"]
        for text, result in zip(request["texts"], results, strict=True):
            if result.get("kept"):
                kept.append((text, [part["reason"] for part in result["kept"]]))
    return kept


if __name__ == "__main__":
    sys.exit(main())
