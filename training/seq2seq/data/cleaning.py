"""Pairs that teach nothing, or something wrong, are left out: empty, far too long, unlike in length, repeated."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from service.tasks.translation.subwords import clean
from training.seq2seq.data.dataset import Pair

_ALLOWED = 4
"""Words by which sides may always differ: of short sentences the ratio tells nothing."""

_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts that set no blanks between words: Thai, Lao, Burmese, Khmer, kana, Han."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """Pairs that were kept, and how many were left out and why."""

    pairs: list[Pair]
    left_out: Counter[str]

    def notes(self, name: str) -> tuple[str, ...]:
        """One line for the log; none where nothing was left out."""
        total = self.left_out.total()
        if not total:
            return ()
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.most_common())
        return (f"{name}: {total:,} of {len(self.pairs) + total:,} pairs left out: {why}",)


def clean_pairs(pairs: Iterable[Pair], *, max_length: int, max_ratio: float, lower_case: bool) -> Cleaned:
    """Training pairs that are worth learning from; both directions keep the same ones.

    Args:
        max_length: words of either side.
        max_ratio: of the longer side to the shorter, in words.
        lower_case: whether all is lower-cased.
    """
    left_out: Counter[str] = Counter()
    kept: dict[Pair, None] = {}
    for raw in pairs:
        pair = clean_pair(raw, lower_case=lower_case)
        reason = _fault(pair, max_length, max_ratio) or ("repeated" if pair in kept else "")
        if reason:
            left_out[reason] += 1
        else:
            kept[pair] = None
    return Cleaned(pairs=list(kept), left_out=left_out)


def clean_held_out(pairs: Iterable[Pair], *, lower_case: bool) -> Cleaned:
    """Pairs to measure on: all but those with an empty side, however long, however often."""
    cleaned = [clean_pair(pair, lower_case=lower_case) for pair in pairs]
    kept = [pair for pair in cleaned if all(pair)]
    return Cleaned(pairs=kept, left_out=Counter({"with an empty side": len(cleaned) - len(kept)}))


def clean_pair(pair: Pair, *, lower_case: bool) -> Pair:
    """Both sides as they are fed to subwords."""
    source, target = clean(pair.source), clean(pair.target)
    return Pair(source.lower(), target.lower()) if lower_case else Pair(source, target)


def _fault(pair: Pair, max_length: int, max_ratio: float) -> str:
    """Why a pair is left out; empty: it is not."""
    if not all(pair):
        return "with an empty side"
    shorter, longer = sorted(map(length, pair))
    if longer > max_length:
        return f"longer than {max_length} words"
    if longer > max_ratio * shorter and longer - shorter > _ALLOWED:
        return f"with sides that differ {max_ratio:g} times in length"
    return ""


def length(text: str) -> int:
    """Words of a cleaned text; of scripts that set no blanks, half its letters."""
    return text.count(" ") + 1 + len(_WITHOUT_BLANKS.findall(text)) // 2
