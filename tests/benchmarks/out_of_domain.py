"""What the shipped models do with data unlike those that they were trained on.

    LECTERN_DATA=DATA python -m tests.benchmarks.out_of_domain [--only captions ...]

README.md says what each line is. Every model is the highest version in models/, one thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from service.bundle.files import Bundle, read_bundle, versions
from service.tasks.image_classification import ImageClassificationPredictor
from service.tasks.tensors import object_array
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.predictor import SENTENCES, TAGGED
from service.text import tokenize
from tests.benchmarks.digits_cut import Gray, classify, tally
from tests.benchmarks.translator_answers import open_translator, parser_of, run_benchmark, scores
from tests.support.predictors import open_predictor
from training.bilstm_crf.config import DataConfig
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.sources import load_data, rename_types
from training.bilstm_crf.metrics import accuracy, entity_scores
from training.common.data_files import MULTI30K
from training.common.downloads import fetch
from training.seq2seq.config import TATOEBA
from training.seq2seq.data.reading import read_parallel
from training.seq2seq.data.sources import load_data as load_pairs

_MODELS = Path(__file__).parents[2] / "models"
_FONTS = (
    *(
        f"DejaVu{family}{style}"
        for family in ("Sans", "SansMono")
        for style in ("", "-Bold", "-Oblique", "-BoldOblique")
    ),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmss10", "cmtt10", "cmti10", "cmb10"),
)
"""Fonts with digits that come with matplotlib."""
_FONT_SIZES = (20, 40, 100)  # pixels
_CASES: dict[str, Callable[[str], str]] = {"as it is": str, "lower case": str.lower, "capitals": str.upper}
_TYPES = {"PER": "PER", "LOC": "LOC", "ORG": "ORG"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(_MEASURES), default=tuple(_MEASURES), metavar="NAME")
    return run_benchmark("out_of_domain", _measure, parser.parse_args(argv))


def _measure(options: argparse.Namespace) -> None:
    for name in options.only:
        for line in _MEASURES[name]():
            print(line, flush=True)


def _shipped(name: str) -> Path:
    return _MODELS / name / str(max(versions(_MODELS / name)))


def captions() -> Iterator[str]:
    """Both translators on Multi30k's captions, test 2016, as they are written."""
    files = {language: MULTI30K["test", language] for language in ("en", "de")}
    for source, target in (("en", "de"), ("de", "en")):
        translator = open_translator(_shipped(f"translate-{source}-{target}"))
        pairs = read_parallel([fetch(files[code]) for code in (source, target)], [source, target]).pairs
        answers = translator.translate([pair.source for pair in pairs])
        score = scores(answers, [pair.target for pair in pairs])
        yield f"{source}-{target}, Multi30k test 2016, {len(pairs):,} captions: {score}"


def parts_of_speech() -> Iterator[str]:
    """pos-en on UD English EWT's test sentences in other case, with gold tokens."""
    tag = _tagger("pos-en")
    sentences = load_data(DataConfig(data="ewt", column="upos")).splits["test"]
    for name, recase in _CASES.items():
        predicted = tag([[recase(word) for word in sentence.words] for sentence in sentences])
        right = accuracy([sentence.tags for sentence in sentences], predicted)
        yield f"pos-en, UD English EWT test, {name}: {right:.2%} of {_count(sentences):,} words"


def names() -> Iterator[str]:
    """ner-en on news, of a corpus that it has never seen, and on UNER EWT's test sentences in other case."""
    tag = _tagger("ner-en")
    news = [rename_types(one, _TYPES) for one in load_data(DataConfig(data="conll2003")).splits["test"]]
    web = load_data(DataConfig(data="uner-ewt")).splits["test"]
    tested = [("CoNLL-2003 test (news)", news, "as it is"), *(("UNER EWT test", web, case) for case in _CASES)]
    for title, sentences, case in tested:
        predicted = tag([[_CASES[case](word) for word in sentence.words] for sentence in sentences])
        found = entity_scores([sentence.tags for sentence in sentences], predicted)
        score = found.micro
        by_type = ", ".join(f"{label} {one.f1:.1%}" for label, one in found.by_label.items())
        yield (
            f"ner-en, {title}, {case}, {len(sentences):,} sentences: F1 {score.f1:.2%} (precision "
            f"{score.precision:.2%}, recall {score.recall:.2%}); {by_type}"
        )


def words() -> Iterator[str]:
    """The share of the words of other texts that have a vector in words-en."""
    bundle = read_bundle(_shipped("words-en"))
    known = set(bundle.file("vocabulary.txt").read_text(encoding="utf-8").split())
    for title, sentences in _texts():
        running = [word for sentence in sentences for word in tokenize(sentence, "letters")]
        have = [word in known for word in running]
        distinct = set(running)
        yield (
            f"words-en, {title}: {np.mean(have):.2%} of {len(running):,} words, "
            f"{len(distinct & known) / len(distinct):.1%} of {len(distinct):,} different ones have a vector"
        )


def _texts() -> Iterator[tuple[str, list[str]]]:
    yield "UD English EWT test (web)", _joined(load_data(DataConfig(data="ewt", column="upos")).splits["test"])
    yield "Broad Twitter Corpus test (tweets)", _joined(load_data(DataConfig(data="btc")).splits["test"])
    yield "CoNLL-2003 test (news)", _joined(load_data(DataConfig(data="conll2003")).splits["test"])
    yield "Tatoeba test (everyday)", [pair.source for pair in load_pairs(TATOEBA).splits["test"]]


def print_in_fonts() -> Iterator[str]:
    """digits on printed digits, dark on white, in fonts that come with matplotlib."""
    path = _shipped("digits")
    predictor = open_predictor(ImageClassificationPredictor, read_bundle(path))
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for group, fonts in (
        ("bold", [name for name in _FONTS if "Bol" in name or name == "cmb10"]),
        ("others", [name for name in _FONTS if "Bol" not in name and name != "cmb10"]),
    ):
        pictures = [
            (label, _printed(str(label), ImageFont.truetype(folder / f"{name}.ttf", size)))
            for name in fonts
            for size in _FONT_SIZES
            for label in range(10)
        ]
        labels = np.array([label for label, _ in pictures])
        result = tally(classify(predictor, [picture for _, picture in pictures]), labels)
        wrong = np.bincount(labels[result.wrong], minlength=10)
        yield (
            f"digits/{path.name}, printed, {group} ({len(fonts)} fonts): {result.errors} errors of {result.pictures}, "
            f"{result.blank} blank, {result.confident} above 0.9; by digit 0 to 9: {', '.join(map(str, wrong))}"
        )


def _printed(text: str, font: ImageFont.FreeTypeFont) -> Gray:
    """The text in black on a white square of twice its size."""
    side = int(2 * font.size)
    canvas = Image.new("L", (side, side), 255)
    ImageDraw.Draw(canvas).text((side / 2, side / 2), text, fill=0, font=font, anchor="mm")
    return np.asarray(canvas)


def _tagger(name: str) -> Callable[[list[list[str]]], list[list[str]]]:
    bundle: Bundle = read_bundle(_shipped(name))
    predictor: Any = open_predictor(TokenClassificationPredictor, bundle)
    return lambda sentences: [tagged.tags for tagged in predictor.infer({SENTENCES: object_array(sentences)})[TAGGED]]


def _count(sentences: list[Sentence]) -> int:
    return sum(len(sentence.words) for sentence in sentences)


def _joined(sentences: list[Sentence]) -> list[str]:
    return [" ".join(sentence.words) for sentence in sentences]


_MEASURES: dict[str, Callable[[], Iterator[str]]] = {
    "captions": captions,
    "parts-of-speech": parts_of_speech,
    "names": names,
    "words": words,
    "print": print_in_fonts,
}

if __name__ == "__main__":
    sys.exit(main())
