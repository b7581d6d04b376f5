"""Tagged sentences in splits: the data that a tagger is trained and evaluated on."""

import hashlib
from dataclasses import dataclass, field

from service.tasks.token_classification.features import Kind


@dataclass(frozen=True, slots=True)
class RawToken:
    """A token in the text of its sentence."""

    start: int
    end: int
    words: tuple[str, ...] = ()
    """Of a multiword token: its words; empty if the token is one word."""


@dataclass(frozen=True, slots=True)
class RawSentence:
    """The text of a sentence and how it is cut into tokens."""

    text: str
    tokens: tuple[RawToken, ...]
    space_after: bool = True
    """Whether white space separates it from the sentence after it."""
    starts_paragraph: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words in Unicode's composed form (NFC) and their tags: plain tags, or IOB2 for spans."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    location: str = ""
    """`file:line` of the first word."""
    raw: RawSentence | None = field(default=None, compare=False)
    """Its text as it was written, if the file has it."""


@dataclass(frozen=True, kw_only=True)
class TaggedData:
    """Tagged sentences by split: `train`, `dev`, usually `test`; joined data sets also have `test-btc` and the like."""

    name: str
    kind: Kind
    splits: dict[str, list[Sentence]]
    licence: str
    attribution: str
    redistributable: bool
    """Whether a model trained on the data may be published."""
    files: dict[str, str] = field(default_factory=dict)
    """The names of the user's own files by split."""
    notes: tuple[str, ...] = field(default=())
    """Remarks for the log about how the data were read, such as a split that was held out."""

    def tags(self, split: str) -> set[str]:
        """The distinct tags of a split."""
        return {tag for sentence in self.splits[split] for tag in sentence.tags}

    def evaluated_splits(self) -> list[str]:
        """The splits whose figures a model card shows in any case."""
        return [split for split in ("dev", "test") if split in self.splits]

    def sha256(self, *splits: str) -> str:
        """Hash of all words and tags in order; independent of the files they were read from.

        Args:
            splits: the splits that count; without any all do.
        """
        digest = hashlib.sha256(self.kind.encode())
        for split in sorted(splits or self.splits):
            digest.update(f"\0{split}".encode())
            for sentence in self.splits[split]:
                digest.update("\0".join(("", *sentence.words, "", *sentence.tags, "")).encode())
        return digest.hexdigest()
