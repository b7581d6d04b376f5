"""Filters for noisy corpora: sides in another language, and sides that do not translate each other."""

import re
from collections import Counter
from collections.abc import Sequence

from service.tasks.translation.language_detection import Profile, detect, words
from service.tasks.translation.language_identification import identify
from training.common.errors import DatasetError
from training.seq2seq.data.cleaning import Cleaned
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.language_profile import language_profile
from training.seq2seq.data.word_alignment import alignment_scores

_MIN_LETTERS = 20
"""Shorter sides keep their pair: names and single words belong to no language for certain."""
_MIN_CONFIDENCE = 50.0  # percent
_MIN_WORDS = 3
"""Pairs with a shorter side are kept: one link more or less decides there."""
_MAX_SAMPLE, _MIN_SAMPLE = 200, 10
"""Pairs whose languages are identified; fewer say nothing."""
_MIN_SWAPPED_SHARE = 0.7
"""Share of those pairs whose languages must be the other way round."""
_SIDES = ("source", "target")
_WORD = re.compile(r"\w+")


def filter_pairs(cleaned: Cleaned, *, check_languages: bool, min_alignment: float) -> Cleaned:
    """Leave further training pairs out; both directions of a language pair keep the same ones.

    Args:
        cleaned: the pairs.
        check_languages: leave out pairs with a side that is more likely in the language of the other side, or in none
            of the two. What the languages look like is learned from the pairs themselves.
        min_alignment: leave out pairs with a lower alignment score (`alignment_scores`); 0: none.
    """
    pairs, left_out = cleaned.pairs, Counter(cleaned.left_out)
    if check_languages and pairs:
        profiles = _profiles(pairs)
        kept = [pair for pair in pairs if _has_both_languages(pair, profiles)]
        left_out["with a side in another language"] += len(pairs) - len(kept)
        pairs = kept
    if min_alignment and pairs:
        scores = alignment_scores([(_split(pair.source), _split(pair.target)) for pair in pairs])
        kept = [pair for pair, score in zip(pairs, scores, strict=True) if score >= min_alignment or _is_short(pair)]
        left_out[f"with an alignment score below {min_alignment:g}"] += len(pairs) - len(kept)
        pairs = kept
    return Cleaned(pairs=pairs, left_out=+left_out)


def check_not_swapped(pairs: Sequence[Pair], languages: tuple[str, str], name: str) -> None:
    """Refuse pairs whose source side is in the target language and whose target side is in the source language.

    Args:
        pairs: as they were read.
        languages: ISO 639-1 codes of source and target.
        name: name of the file.

    Raises:
        DatasetError: most of those sentences, on both sides, that are long enough to tell are in the other language.
    """
    step = max(1, len(pairs) // _MAX_SAMPLE)
    sample = [pair for pair in pairs[::step] if min(map(_letters, pair)) >= _MIN_LETTERS][:_MAX_SAMPLE]
    if len(sample) < _MIN_SAMPLE:
        return
    for side, other in enumerate(reversed(languages)):
        languages_of_side = Counter(one[0].language for pair in sample if (one := identify(pair[side], ())))
        if languages_of_side[other] < _MIN_SWAPPED_SHARE * len(sample):
            return
    raise DatasetError(
        f"{name}: its sides are {languages[1]} and {languages[0]}, as most sentences show, not {languages[0]} and "
        f"{languages[1]}; change --swap, or exchange --source and --target"
    )


def _profiles(pairs: Sequence[Pair]) -> list[Profile]:
    """The profiles of both sides, each learned from the half of its sentences that is most like the whole side.

    So a language that is in a small part of the sentences does not become a part of the profile.
    """
    profiles = []
    for side, label in enumerate(_SIDES):
        texts = [pair[side] for pair in pairs if words(pair[side])]
        if not texts:
            continue
        whole = language_profile(label, texts)
        scores = [whole.score(words(text)) / len(text) for text in texts]
        middle = sorted(scores)[len(scores) // 2]
        likely = [text for text, score in zip(texts, scores, strict=True) if score >= middle]
        profiles.append(language_profile(label, likely))
    return profiles


def _has_both_languages(pair: Pair, profiles: Sequence[Profile]) -> bool:
    for text, label in zip(pair, _SIDES, strict=True):
        if _letters(text) >= _MIN_LETTERS:
            confidence = {detected.language: detected.confidence for detected in detect(text, profiles)}
            if confidence.get(label, 0.0) < _MIN_CONFIDENCE:
                return False
    return True


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _split(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _is_short(pair: Pair) -> bool:
    return min(len(_split(text)) for text in pair) < _MIN_WORDS
