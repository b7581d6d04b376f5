"""One split for both directions, by connected components: nothing that was trained on is met again in dev and test.

Two pairs are connected where their source sides or their target sides are equal but for case and punctuation. Whole
components are drawn, so that every paraphrase of a held-out sentence is held out with it.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from training.seq2seq.data.dataset import Pair

_LARGEST = 20
"""Pairs of a component that may be held out: chains of paraphrases beyond that are trained on."""

_NO_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """A sentence without case and punctuation; one of punctuation alone stays as it is."""
    return _NO_WORD.sub(" ", text.casefold()).strip() or text


def components(pairs: Sequence[Pair]) -> list[list[int]]:
    """Connected pairs, by their places; in order of their first ones."""
    parents = list(range(len(pairs)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for side in zip(*pairs, strict=True):
        first: dict[str, int] = {}
        for place, text in enumerate(side):
            one, two = root(first.setdefault(fold(text), place)), root(place)
            parents[max(one, two)] = min(one, two)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place in range(len(pairs)):
        members[root(place)].append(place)
    return list(members.values())


def split_pairs(pairs: Sequence[Pair], splits: Sequence[str], *, held_out: int, seed: int) -> dict[str, list[Pair]]:
    """Hold out so many sentences for each of `splits`; the rest is `train`.

    The same sentences are held out whichever side is the source, provided that the pairs come in the same order. In
    held-out splits no source stands twice: of several translations one is drawn, for each direction its own.

    Args:
        pairs: cleaned.
        splits: what is held out: `dev`, `test`.
        held_out: distinct sources in each of them.
        seed: of the draw.
    """
    groups = components(pairs)
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    drawn = iter([number for number in order if len(groups[number]) <= _LARGEST])
    result: dict[str, list[Pair]] = {}
    taken: set[int] = set()
    for split in splits:
        chosen = _draw(pairs, groups, drawn, held_out)
        taken.update(chosen)
        result[split] = _one_each([pairs[place] for number in chosen for place in groups[number]], seed)[:held_out]
    kept = sorted(place for number in order if number not in taken for place in groups[number])
    return {"train": [pairs[place] for place in kept], **result}


def _draw(pairs: Sequence[Pair], groups: Sequence[list[int]], drawn: Iterable[int], held_out: int) -> list[int]:
    """Components, until both directions have enough sources."""
    chosen: list[int] = []
    sources = targets = 0
    for number in drawn:
        chosen.append(number)
        members = [pairs[place] for place in groups[number]]
        sources += len({fold(pair.source) for pair in members})
        targets += len({fold(pair.target) for pair in members})
        if min(sources, targets) >= held_out:
            break
    return chosen


def _one_each(pairs: Iterable[Pair], seed: int) -> list[Pair]:
    """One of the pairs of each source."""
    choices: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        choices[fold(pair.source)].append(pair)
    draw = random.Random(seed)
    return [draw.choice(same) for same in choices.values()]
