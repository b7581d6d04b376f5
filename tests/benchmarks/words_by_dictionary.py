"""How often a translator of English and German translates a single word like a dictionary.

    python tests/benchmarks/words_by_dictionary.py --bundle models/translate-en-de/7
    python tests/benchmarks/words_by_dictionary.py --run runs/en-de --half test --show --dictionary de-en.txt

The dictionary is Ding's (Frank Richter, TU Chemnitz, GPL); README.md says where it is and how to read what is printed.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from service.decoding import SearchSettings
from tests.benchmarks.translator_answers import LANGUAGES, Translator, open_translator, parser_of, run_benchmark
from training.common.errors import DatasetError, RunError
from training.common.run import Run
from training.seq2seq.config import FAMILY, TATOEBA
from training.seq2seq.data.sources import load_data

DATA = {"de": "tatoeba:deu-eng", "en": "tatoeba:eng-deu"}
"""Data sets whose training sentences show which words are frequent."""

HALVES = ("dev", "test")
INSTALLED = Path("/usr/share/trans/de-en")
"""Path of the dictionary in Debian's package trans-de-en."""
MAX_TRANSLATIONS = 6
"""Translations of a word that `--show` prints."""

Dictionary = Mapping[str, frozenset[str]]
"""Words, with their translations normalized by `folded`."""

_COMMENTS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>|(?<!\S)/[^\s/|](?:[^/|]*[^\s/|])?/(?!\S)")
_OBJECTS = re.compile(r"\b(?:etw|jdn|jdm|jds|jd|sth|sb)\.(?:'s)?")
_PRONOUN = "(?:ich|du|er|sie|es|wir|ihr|man|I|you|he|she|it|we|they)"
_SUBJECT = re.compile(rf"^{_PRONOUN}(?:/{_PRONOUN})+ (?=\S)")
_ARTICLE = re.compile(r"^(?:der|die|das|ein|eine|the|an?|to) (?=\S)", re.IGNORECASE)
_EITHER = re.compile(r"[^\s/]+(?: ?/ ?[^\s/]+)+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_BEGINS = re.compile(r"[.!?:…\"„“”«»]")
_MARKS = ' /.,;:!?…"„“”«»'


def main(argv: Sequence[str] | None = None) -> int:
    """Translate and count; returns the exit code."""
    parser = parser_of(__doc__)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--bundle", type=Path, help="the model, as models/translate-en-de/7")
    model.add_argument("--run", type=Path, help="a run, translated by PyTorch with the search of its dev evaluation")
    parser.add_argument("--dictionary", type=Path, default=INSTALLED, help=f"Ding's de-en.txt ({INSTALLED})")
    parser.add_argument("--words", type=int, default=1000, metavar="N", help="the N most frequent words (1000)")
    parser.add_argument(
        "--half", choices=HALVES, default="dev", help="every other word: to develop on, or to report (dev)"
    )
    parser.add_argument("--show", action="store_true", help="print what is not in the dictionary")
    return run_benchmark("words", _measure, parser.parse_args(argv))


def _measure(options: argparse.Namespace) -> None:
    source, _, translate = open_translator(options.bundle) if options.bundle else _open_run(options.run)
    dictionary = read_dictionary(_lines(options.dictionary), source)
    pairs = load_data(replace(TATOEBA, data=DATA[source])).splits["train"]
    known = [word for word in by_frequency(pair.source for pair in pairs) if word in dictionary]
    words = known[: options.words][HALVES.index(options.half) :: len(HALVES)]
    translations = zip(words, translate(words), strict=True)
    wrong = [(word, text) for word, text in translations if folded(text) not in dictionary[word]]
    if options.show:
        for word, text in wrong:
            print(f"{word} -> {text}   ({'; '.join(sorted(dictionary[word])[:MAX_TRANSLATIONS])})")
    right = len(words) - len(wrong)
    print(
        f"{options.bundle or options.run}: {right:,} of {len(words):,} words are translated as in the dictionary, "
        f"{right / max(len(words), 1):.1%} ({options.half} half of the {options.words:,} most frequent)"
    )


def _open_run(path: Path) -> Translator:
    """The run's kept weights in PyTorch, one thread.

    Raises:
        UserError: the run is damaged, of other languages, or has no weights yet.
    """
    import torch

    from training.seq2seq.search import translate
    from training.seq2seq.translator import load_translator

    torch.set_num_threads(1)
    run = Run.open(path, family=FAMILY)
    translator = load_translator(run)
    if {translator.source_language, translator.target_language} != LANGUAGES:
        raise RunError(f"{path}: is no translator of English and German; name another run")
    dev = run.evaluations().get("dev", {})
    settings = SearchSettings(
        beam_size=dev.get("beam_size", 5),
        length_penalty=dev.get("length_penalty", 1.0),
        coverage_penalty=dev.get("coverage_penalty", 0.0),
    )

    def answers(words: Sequence[str]) -> list[str]:
        return [translator.target.decode(best[0].tokens) for best in translate(translator, words, settings)]

    return Translator(translator.source_language, translator.target_language, answers)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8" if isinstance(error, ValueError) else error.strerror
        raise DatasetError(
            f"{path}: {why}; install it (Debian: apt-get install trans-de-en) or fetch de-en.txt.gz from "
            "ftp.tu-chemnitz.de/pub/Local/urz/ding/de-en, unpack it and name it with --dictionary"
        ) from error


def read_dictionary(lines: Iterable[str], source: str) -> Dictionary:
    """The single words of one language with all their translations, in all senses.

    A line is `Haus {n}; Gebäude {n} | Häuser {pl} :: house; building | houses`: the same number of parts on both
    sides, and all words of a part translate all words of the other side's part.

    Args:
        lines: those of the file; comments begin with #.
        source: "de" or "en".
    """
    dictionary: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        sides = line.partition("::")[:: 2 if source == "de" else -2]
        if line.startswith("#") or not all(sides):
            continue
        for ours, theirs in zip(*(_without_comments(side).split("|") for side in sides), strict=False):
            translations = {folded(text) for text in theirs.split(";") for text in _either(text)} - {""}
            for word in (plain(text) for entry in ours.split(";") for text in _either(entry)):
                if word and " " not in word:
                    dictionary[word] |= translations
    return {word: frozenset(translations) for word, translations in dictionary.items() if translations}


def _without_comments(side: str) -> str:
    """The text without (nested) brackets and abbreviations, with ASCII apostrophes."""
    side, before = side.replace("\u2019", "'"), ""
    while side != before:
        side, before = _COMMENTS.sub("", side), side
    return side


def _either(entry: str) -> Iterator[str]:
    """Both forms of `this/these`, the verb of `er/sie geht`; else the entry."""
    entry = _SUBJECT.sub("", entry.strip())
    yield from re.split(" ?/ ?", entry) if _EITHER.fullmatch(entry) else [entry]


def plain(text: str) -> str:
    """A word or phrase without article, `to`, objects such as `etw.`, and punctuation at its ends."""
    text = " ".join(_OBJECTS.sub(" ", unicodedata.normalize("NFC", text).replace("\u2019", "'")).split())
    return _ARTICLE.sub("", text.strip(_MARKS)).strip(_MARKS)


def folded(text: str) -> str:
    """`plain`, with its first letter in lower case."""
    text = plain(text)
    return text[:1].lower() + text[1:]


def by_frequency(sentences: Iterable[str]) -> list[str]:
    """The words of the sentences, most frequent first, in the case that they have within a sentence; repeated sentences
    are counted once."""
    within: Counter[str] = Counter()
    beginning: Counter[str] = Counter()
    for sentence in dict.fromkeys(sentences):
        end = 0
        for match in _WORD.finditer(sentence):
            begins = not end or _BEGINS.search(sentence, end, match.start())
            (beginning if begins else within)[match[0].replace("\u2019", "'")] += 1
            end = match.end()
    for word, count in beginning.items():
        small = word[:1].lower() + word[1:]
        within[word if within[word] > within[small] else small] += count
    return sorted(within, key=lambda word: (-within[word], word))


if __name__ == "__main__":
    sys.exit(main())
