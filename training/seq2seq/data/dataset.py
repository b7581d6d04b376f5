"""Parallel data: pairs of sentences, in splits."""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple


class Pair(NamedTuple):
    """A sentence and its translation, both cleaned (`service.tasks.translation.subwords.clean`)."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class ParallelData:
    """Sentence pairs by split: `train`, `dev`, mostly `test`; for Multi30k `test2017` too."""

    name: str
    source: str
    """Source language, ISO 639-1."""
    target: str
    """Target language, ISO 639-1."""
    splits: dict[str, list[Pair]]
    licence: str
    attribution: str
    redistributable: bool = True
    """Whether the licence allows to publish a model trained on it."""
    notes: tuple[str, ...] = field(default=())
    """Lines for the log: what was left out, what was held out."""
    further: tuple[str, ...] = ()
    """Names of the further training pairs, which dev and test have none of."""
    split_notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Those on a split that has a file of its own, for its evaluation."""

    @property
    def training_name(self) -> str:
        """The names of all that is trained on."""
        return " and ".join((self.name, *self.further))

    def sha256(self) -> str:
        """Hash of the languages and of all pairs of all splits, in order."""
        digest = hashlib.sha256(f"{self.source}\0{self.target}".encode())
        for split, pairs in sorted(self.splits.items()):
            digest.update(f"\0\0{split}".encode())
            for pair in pairs:
                digest.update(f"\0{pair.source}\0{pair.target}".encode())
        return digest.hexdigest()
