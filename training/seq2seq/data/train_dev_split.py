"""Splits pairs into train, dev and test by connected components, so that no held-out sentence is trained on.

Two pairs are connected if their sources or their targets are equal but for case and punctuation. Whole components are
held out, so that all paraphrases of a held-out sentence are held out with it. Both directions have the same split.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from training.seq2seq.data.dataset import Pair

_MAX_COMPONENT = 20
"""Larger components (long chains of paraphrases) are never held out, in pairs."""

_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """A sentence without case and punctuation; a sentence of punctuation alone is not changed."""
    return _NOT_WORD.sub(" ", text.casefold()).strip() or text


def connected_components(pairs: Sequence[Pair]) -> list[list[int]]:
    """The indices of the pairs of each component, in order of its first pair."""
    parents = list(range(len(pairs)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for side in zip(*pairs, strict=True):
        first: dict[str, int] = {}
        for index, text in enumerate(side):
            one, two = root(first.setdefault(fold(text), index)), root(index)
            parents[max(one, two)] = min(one, two)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(pairs)):
        members[root(index)].append(index)
    return list(members.values())


def split_pairs(pairs: Sequence[Pair], splits: Sequence[str], *, held_out: int, seed: int) -> dict[str, list[Pair]]:
    """Hold out `held_out` sentences for each of `splits`; the rest is `train`.

    The same sentences are held out for both directions, if the pairs come in the same order. A held-out split has each
    source once; if it has several translations, one of them is drawn.

    Args:
        pairs: cleaned.
        splits: names of the held-out splits: `dev`, `test`.
        held_out: distinct sources in each of them.
        seed: seed of the random choice.
    """
    components = connected_components(pairs)
    order = list(range(len(components)))
    random.Random(seed).shuffle(order)
    candidates = iter([number for number in order if len(components[number]) <= _MAX_COMPONENT])
    result: dict[str, list[Pair]] = {}
    used: set[int] = set()
    for split in splits:
        chosen = _choose(pairs, components, candidates, held_out)
        used.update(chosen)
        members = [pairs[index] for number in chosen for index in components[number]]
        result[split] = _one_per_source(members, seed)[:held_out]
    train = sorted(index for number in order if number not in used for index in components[number])
    return {"train": [pairs[index] for index in train], **result}


def _choose(
    pairs: Sequence[Pair], components: Sequence[list[int]], candidates: Iterable[int], held_out: int
) -> list[int]:
    """The next candidates, until both directions have `held_out` sources."""
    chosen: list[int] = []
    sources = targets = 0
    for number in candidates:
        chosen.append(number)
        members = [pairs[index] for index in components[number]]
        sources += len({fold(pair.source) for pair in members})
        targets += len({fold(pair.target) for pair in members})
        if min(sources, targets) >= held_out:
            break
    return chosen


def _one_per_source(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    """One random pair of each source."""
    by_source: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_source[fold(pair.source)].append(pair)
    generator = random.Random(seed)
    return [generator.choice(same) for same in by_source.values()]
