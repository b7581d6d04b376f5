"""What a tagger is trained and measured on: sentences of words with their tags, in splits."""

import hashlib
from dataclasses import dataclass, field

from service.tasks.token_classification.features import Kind


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words in Unicode's composed form with a tag each: plain tags, or IOB2 for spans."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    place: str = ""
    """`file:line` of its first word."""


@dataclass(frozen=True, kw_only=True)
class TaggedData:
    """Tagged sentences by split: `train`, `dev`, mostly `test`; of joined sets also `test-btc` and the like."""

    name: str
    kind: Kind
    splits: dict[str, list[Sentence]]
    licence: str
    attribution: str
    shippable: bool
    """Whether a model trained on it may be given away."""
    notes: tuple[str, ...] = field(default=())
    """What the log should say of how the data were read: a split that was held out, tags that were repaired."""

    def tags(self, split: str) -> set[str]:
        """The tags that occur in a split."""
        return {tag for sentence in self.splits[split] for tag in sentence.tags}

    def sha256(self) -> str:
        """Of all words and tags of all splits in order; where they were read from does not matter."""
        digest = hashlib.sha256(self.kind.encode())
        for split, sentences in sorted(self.splits.items()):
            digest.update(f"\0{split}".encode())
            for sentence in sentences:
                digest.update("\0".join(("", *sentence.words, "", *sentence.tags, "")).encode())
        return digest.hexdigest()
