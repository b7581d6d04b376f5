"""Cleaning: empty, very long and repeated sentence pairs, and sides of very different lengths, are left out."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from service.tasks.translation.subwords import clean
from training.seq2seq.data.dataset import Pair

_ALLOWED_DIFFERENCE = 4
"""Words by which the sides may always differ: for short sentences the ratio means nothing."""

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """The pairs that were kept, and the number of others by reason."""

    pairs: list[Pair]
    left_out: Counter[str]

    def notes(self, name: str) -> tuple[str, ...]:
        """One line for the log; none if nothing was left out."""
        total = self.left_out.total()
        if not total:
            return ()
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.most_common())
        return (f"{name}: {total:,} of {len(self.pairs) + total:,} pairs left out: {why}",)


def clean_pairs(pairs: Iterable[Pair], *, max_length: int, max_ratio: float, lower_case: bool) -> Cleaned:
    """Clean training pairs; both directions of a language pair keep the same ones.

    Args:
        max_length: of either side, in words.
        max_ratio: maximum ratio of the longer side to the shorter, in words.
        lower_case: whether to lowercase both sides.
    """
    left_out: Counter[str] = Counter()
    kept: dict[Pair, None] = {}
    for raw in pairs:
        pair = clean_pair(raw, lower_case=lower_case)
        reason = _reason_to_drop(pair, max_length, max_ratio) or ("repeated" if pair in kept else "")
        if reason:
            left_out[reason] += 1
        else:
            kept[pair] = None
    return Cleaned(pairs=list(kept), left_out=left_out)


def clean_held_out(pairs: Iterable[Pair], *, lower_case: bool) -> Cleaned:
    """Clean test pairs: only those with an empty side are left out."""
    cleaned = [clean_pair(pair, lower_case=lower_case) for pair in pairs]
    kept = [pair for pair in cleaned if all(pair)]
    return Cleaned(pairs=kept, left_out=Counter({"with an empty side": len(cleaned) - len(kept)}))


def clean_pair(pair: Pair, *, lower_case: bool) -> Pair:
    """Both sides as the subword tokenizer takes them."""
    source, target = clean(pair.source), clean(pair.target)
    return Pair(source.lower(), target.lower()) if lower_case else Pair(source, target)


def _reason_to_drop(pair: Pair, max_length: int, max_ratio: float) -> str:
    """Why a training pair is left out; empty if it is kept."""
    if not all(pair):
        return "with an empty side"
    shorter, longer = sorted(map(count_words, pair))
    if longer > max_length:
        return f"longer than {max_length} words"
    if longer > max_ratio * shorter and longer - shorter > _ALLOWED_DIFFERENCE:
        return f"with sides that differ {max_ratio:g} times in length"
    return ""


def count_words(text: str) -> int:
    """The words of a cleaned text; two letters count as a word in scripts without spaces."""
    return text.count(" ") + 1 + len(_UNSPACED.findall(text)) // 2
