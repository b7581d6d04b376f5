"""What a translator is trained and measured on: pairs of sentences, in splits."""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple


class Pair(NamedTuple):
    """A sentence and its translation, both cleaned (`service.tasks.translation.subwords.clean`)."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class ParallelData:
    """Pairs by split: `train`, `dev`, mostly `test`; of Multi30k `test2017` too."""

    name: str
    source: str
    """Language that is translated, ISO 639-1."""
    target: str
    """Language that is translated to, ISO 639-1."""
    splits: dict[str, list[Pair]]
    licence: str
    attribution: str
    shippable: bool = True
    """Whether a model trained on it may be given away."""
    notes: tuple[str, ...] = field(default=())
    """What the log should say of how the data were read: what was left out, what was held out."""

    def sha256(self) -> str:
        """Of all pairs of all splits in order, and of their languages."""
        digest = hashlib.sha256(f"{self.source}\0{self.target}".encode())
        for split, pairs in sorted(self.splits.items()):
            digest.update(f"\0\0{split}".encode())
            for pair in pairs:
                digest.update(f"\0{pair.source}\0{pair.target}".encode())
        return digest.hexdigest()
