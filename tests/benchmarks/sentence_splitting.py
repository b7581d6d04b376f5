"""Sentence splitting against treebanks: our rules, the translator's use of them, and sentencex.

    pip install sentencex==1.0.32        # not a dependency of Lectern; without it, its rows are left out
    python -m tests.benchmarks.sentence_splitting DATA [--split test]

DATA holds the folders ud_english_ewt, ud_german_gsd and ud_french_gsd. The sentences of a treebank are joined to
paragraphs: in EWT as `# newpar` and `# newdoc` say, elsewhere eight at a time, with a space between two of them unless
the last token has `SpaceAfter=No`. A boundary is the end of a sentence; the end of a paragraph, which every splitter
finds, does not count.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections.abc import Callable, Iterator
from importlib import import_module, util
from pathlib import Path

from service.tasks.translation.text.protected_spans import ProtectedSpans
from service.tasks.translation.text.sentence_splitting import split_sentences
from service.text import sentence_spans

Ends = set[int]
"""Ends of sentences, in code points of their paragraph."""

_PARAGRAPH_SENTENCES = 8
_TREEBANKS = {
    "en": "ud_english_ewt/en_ewt-ud-{}.conllu.gz",
    "de": "ud_german_gsd/de_gsd-ud-{}.conllu.gz",
    "fr": "ud_french_gsd/fr_gsd-ud-{}.conllu.gz",
}


def main() -> None:
    """Print precision, recall, F1 and speed of every splitter on every treebank."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--split", default="dev", choices=("dev", "test"))
    parser.add_argument("--errors", type=int, default=0, metavar="N", help="print N errors of each kind")
    options = parser.parse_args()
    print("language  splitter       precision   recall       F1  boundaries  characters/s")
    for language, name in _TREEBANKS.items():
        paragraphs = list(read_paragraphs(options.data / name.format(options.split)))
        for splitter, split in _splitters().items():
            measure(language, splitter, split, paragraphs, options.errors)


def measure(
    language: str, name: str, split: Callable[[str, str], Ends], paragraphs: list[tuple[str, Ends]], errors: int
) -> None:
    """Print a row of the table, and some errors."""
    start = time.perf_counter()
    predicted = [split(text, language) - {len(text)} for text, _ in paragraphs]
    seconds = time.perf_counter() - start
    gold = [ends - {len(text)} for text, ends in paragraphs]
    correct = sum(len(one & other) for one, other in zip(gold, predicted, strict=True))
    support, count = sum(map(len, gold)), sum(map(len, predicted))
    speed = sum(len(text) for text, _ in paragraphs) / seconds
    print(
        f"{language:9} {name:14} {correct / count:9.2%} {correct / support:8.2%} "
        f"{2 * correct / (support + count):8.2%} {support:11,} {speed:13,.0f}"
    )
    for kind, one, other in (("missed", gold, predicted), ("wrong", predicted, gold)):
        ends = [(text, end) for (text, _), a, b in zip(paragraphs, one, other, strict=True) for end in sorted(a - b)]
        for text, end in ends[:: max(1, len(ends) // max(errors, 1))][:errors]:
            print(f"    {kind}: {text[max(0, end - 40) : end]!r} | {text[end : end + 30]!r}")


def _splitters() -> dict[str, Callable[[str, str], Ends]]:
    splitters = {"English rules": _english_rules, "language's": _rules_of_language, "translator": _translator}
    return splitters | ({"sentencex": _sentencex} if util.find_spec("sentencex") else {})


def _english_rules(text: str, language: str) -> Ends:
    return {end for _, end in sentence_spans(text, "en")}


def _rules_of_language(text: str, language: str) -> Ends:
    return {end for _, end in sentence_spans(text, language)}


def _translator(text: str, language: str) -> Ends:
    return {end for _, end in split_sentences(text, language, ProtectedSpans(text, set(), {}), is_html=False)}


def _sentencex(text: str, language: str) -> Ends:
    boundaries = import_module("sentencex").get_sentence_boundaries(language, text)
    return {boundary["start_index"] + len(boundary["text"].rstrip()) for boundary in boundaries}


def read_paragraphs(path: Path) -> Iterator[tuple[str, Ends]]:
    """The paragraphs of a treebank with the ends of their sentences."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        sentences = stream.read().strip().split("\n\n")
    has_paragraphs = any("# newpar" in sentence for sentence in sentences)
    text, ends = "", Ends()
    for number, sentence in enumerate(sentences):
        is_first = "# newpar" in sentence or "# newdoc" in sentence
        if text and (is_first if has_paragraphs else number % _PARAGRAPH_SENTENCES == 0):
            yield text.rstrip(), ends
            text, ends = "", Ends()
        text += _raw_text(sentence)
        ends.add(len(text.rstrip()))
    yield text.rstrip(), ends


def _raw_text(sentence: str) -> str:
    """The text of a sentence, with the space after it."""
    lines = sentence.split("\n")
    text = next(line for line in lines if line.startswith("# text = ")).removeprefix("# text = ")
    tokens = [line.split("\t") for line in lines if line[:1].isdigit()]
    last_word = max((token[0] for token in tokens if token[0].isdigit()), key=int)
    # Of a multi-word token only its own line says whether a space follows.
    last = next(token for token in tokens if token[0] == last_word or token[0].endswith(f"-{last_word}"))
    return text.strip() + ("" if "SpaceAfter=No" in last[9] else " ")


if __name__ == "__main__":
    main()
