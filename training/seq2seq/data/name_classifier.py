"""Trains the classifier that tells German names from nouns, `service.tasks.translation.text.name_classifier`.

    python -m training.seq2seq.data.name_classifier wikipedia.txt

Examples are words of the German side of Tatoeba's training pairs. A word that mostly is the same in the English
translation is a name; as there are few of them, other names take their places: capitalized words of the English text.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from service.tasks.translation.text import name_classifier
from service.tasks.translation.text.name_classifier import features, write_classifier
from training.common.files import write_text
from training.seq2seq.config import TATOEBA
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.sources import load_data

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_WITHIN_SENTENCE = re.compile(r"(?<=[a-z,] )[^\W\d_]{3,}")
_MIN_NAME_SHARE, _MAX_NOUN_SHARE = 0.8, 0.1
"""Shares of a word's sentences whose translation has the word too, of names and of nouns."""
_MIN_NAME_COUNT, _MAX_LOWERCASE_SHARE = 3, 0.2
"""A name of the English text occurs so often, and in lower case at most so often as often."""
_NAME_EXAMPLES, _REPEATS, _NOUN_EXAMPLES = 4000, 3, 6
"""Examples per word; those of rarer names are repeated with other names in their places."""
_MIN_FEATURE_COUNT, _MIN_WEIGHT, _REGULARIZATION = 8, 0.05, 1.0


class _Example(NamedTuple):
    text: str
    start: int
    end: int


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and write the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="+", help="English texts, UTF-8")
    options = parser.parse_args(argv)
    names = read_names("\n".join(path.read_text(encoding="utf-8") for path in options.texts))
    pairs = load_data(replace(TATOEBA, data="tatoeba:deu-eng")).splits["train"]
    generator = random.Random(0)
    positive, negative = examples(pairs, names, generator)
    bias, weights = fit(positive, negative)
    file = Path(name_classifier.__file__).with_name("name_classifier_de.json")
    write_text(file, write_classifier(bias, weights))
    print(f"{len(positive):,} names, {len(negative):,} nouns; {len(weights):,} weights in {file.name}")
    return 0


def read_names(text: str) -> Counter[str]:
    """The names of an English text with their counts: words that are mostly capitalized within sentences."""
    words = Counter(_WITHIN_SENTENCE.findall(text))
    return Counter({
        word: count
        for word, count in words.items()
        if word[0].isupper()
        and word[1:].islower()
        and count >= _MIN_NAME_COUNT
        and words[word.lower()] < _MAX_LOWERCASE_SHARE * count
    })  # fmt: skip


def examples(
    pairs: Sequence[Pair], names: Counter[str], generator: random.Random
) -> tuple[list[_Example], list[_Example]]:
    """Names and nouns in their sentences."""
    shares = _shares_in_translation(pairs)
    nouns = {word for word, share in shares.items() if share <= _MAX_NOUN_SHARE}
    own = {word for word, share in shares.items() if share >= _MIN_NAME_SHARE}
    found: defaultdict[str, list[_Example]] = defaultdict(list)
    for pair in pairs:
        for match in _WORD.finditer(pair.source):
            if match[0] in nouns or match[0] in own:
                found[match[0]].append(_Example(pair.source, match.start(), match.end()))
    others = [name for name in names if name not in nouns]
    frequencies = [names[name] ** 0.3 for name in others]
    positive: list[_Example] = []
    negative: list[_Example] = []
    for word, of_word in found.items():
        generator.shuffle(of_word)
        if word in nouns:
            negative += of_word[:_NOUN_EXAMPLES]
            continue
        repeats = 1 if len(of_word) > _NAME_EXAMPLES else _REPEATS
        chosen = of_word[:_NAME_EXAMPLES] * repeats
        positive += map(_with_other_word, chosen, generator.choices(others, frequencies, k=len(chosen)))
    return positive, negative


def _shares_in_translation(pairs: Sequence[Pair]) -> dict[str, float]:
    """For capitalized words within sentences, the share of sentences whose translation has the same word."""
    counts: Counter[str] = Counter()
    same: Counter[str] = Counter()
    for pair in pairs:
        target = set(_WORD.findall(pair.target))
        for word in _WORD.findall(pair.source)[1:]:
            if word[0].isupper() and len(word) > 2:
                counts[word] += 1
                same[word] += word in target
    return {word: same[word] / count for word, count in counts.items()}


def _with_other_word(example: _Example, word: str) -> _Example:
    text, start, end = example
    return _Example(text[:start] + word + text[end:], start, start + len(word))


def fit(positive: Sequence[_Example], negative: Sequence[_Example]) -> tuple[float, dict[str, float]]:
    """The bias and the weights of a logistic regression with an L1 penalty, which keeps few of them."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = CountVectorizer(analyzer=lambda example: list(features(*example)), min_df=_MIN_FEATURE_COUNT)
    matrix = vectorizer.fit_transform([*positive, *negative])
    labels = [1] * len(positive) + [0] * len(negative)
    model = LogisticRegression(C=_REGULARIZATION, l1_ratio=1.0, solver="liblinear", random_state=0).fit(matrix, labels)
    weights = zip(vectorizer.get_feature_names_out(), model.coef_[0].tolist(), strict=True)
    return round(model.intercept_[0], 2), {
        name: round(weight, 2) for name, weight in weights if abs(weight) >= _MIN_WEIGHT
    }


if __name__ == "__main__":
    sys.exit(main())
