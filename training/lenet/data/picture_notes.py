"""What a user should know of the pictures of a folder before training on them: repetitions, names, polarity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.line_faults import counted

_NAMED = 3
"""Examples that a note names."""

_MIXED_SHARE = 0.05
"""Share of the pictures from which the rarer polarity is worth a note. Not tuned."""


def notes_on_names(labels: Sequence[str]) -> list[str]:
    """Say which classes differ in case only."""
    names = defaultdict(set)
    for label in labels:
        names[label.casefold()].add(label)
    pairs = [" and ".join(map(repr, sorted(same))) for same in names.values() if len(same) > 1]
    if not pairs:
        return []
    return [f"note: classes whose names differ in case only are classes of their own: {_listed(sorted(pairs))}"]


def notes_on_repetitions(paths: Sequence[Path], labels: Sequence[str], digests: Sequence[bytes]) -> list[str]:
    """Say which files are there several times, in one class or in several."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        same[digest].append(row)
    within: list[str] = []
    across: list[str] = []
    for rows in same.values():
        if len(rows) > 1:
            names = " and ".join(paths[row].as_posix() for row in rows[:2])
            (within if len({labels[row] for row in rows}) == 1 else across).append(names)
    notes = []
    if across:
        notes.append(
            f"note: {counted(len(across), 'picture')} in several classes, so that labels are wrong: {_listed(across)}"
        )
    if within:
        notes.append(
            f"note: {counted(len(within), 'picture')} several times in a class; held-out images may be among those "
            f"trained on, which makes figures too good: {_listed(within)}"
        )
    return notes


def notes_on_polarity(images: NDArray[np.uint8]) -> list[str]:
    """Say if some pictures [N, H, W] of whole pictures are dark on light and some are light on dark."""
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    light = int((np.median(border, axis=1) > 127).sum())
    dark = len(images) - light
    if min(light, dark) < _MIXED_SHARE * len(images):
        return []
    return [
        f"note: {light:,} pictures have light borders and {dark:,} dark ones: with --normalizer fit polarity and "
        "margins count; --normalizer mnist evens them out"
    ]


def _listed(examples: Sequence[str]) -> str:
    return ", ".join(examples[:_NAMED]) + ", …" * (len(examples) > _NAMED)
