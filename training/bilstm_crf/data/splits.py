"""Splits of the user's own files: holding out dev sentences, and what makes figures on dev and test misleading."""

from collections import Counter
from collections.abc import Mapping, Sequence

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE
from training.bilstm_crf.data.dataset import Sentence
from training.common.errors import DatasetError

_HELD_OUT_EVERY = 10
_NAMED_TAGS = 10


def hold_out(sentences: Sequence[Sentence], name: str) -> tuple[list[Sentence], list[Sentence]]:
    """The training sentences, and every tenth, or else the last, as dev sentences.

    Args:
        sentences: all sentences of a file.
        name: its name.

    Raises:
        DatasetError: there is only one.
    """
    if len(sentences) < 2:
        raise DatasetError(f"{name}: holds one sentence; name a file with --dev, or add sentences")
    held_out = range(_HELD_OUT_EVERY - 1, len(sentences), _HELD_OUT_EVERY) or range(len(sentences) - 1, len(sentences))
    train = [sentence for index, sentence in enumerate(sentences) if index not in held_out]
    return train, [sentences[index] for index in held_out]


def split_notes(splits: Mapping[str, Sequence[Sentence]], kind: Kind) -> list[str]:
    """Notes on dev and test sentences that are training sentences too, and on tags that training lacks."""
    known = {sentence.words for sentence in splits["train"]}
    learned = {_learned(tag, kind) for sentence in splits["train"] for tag in sentence.tags}
    notes = []
    for split, sentences in splits.items():
        if split == "train":
            continue
        repeated = [sentence for sentence in sentences if sentence.words in known]
        if repeated:
            notes.append(
                f"{len(repeated):,} of {len(sentences):,} {split} sentences are training sentences too (the first: "
                f"{repeated[0].location}), so figures on {split} are better than on new text"
            )
        tags = Counter(_learned(tag, kind) for sentence in sentences for tag in sentence.tags)
        missing = [(tag, count) for tag, count in tags.most_common() if tag not in learned]
        if missing:
            listed = ", ".join(f"{tag} ({count:,})" for tag, count in missing[:_NAMED_TAGS])
            more = f" and {len(missing) - _NAMED_TAGS:,} more" if len(missing) > _NAMED_TAGS else ""
            notes.append(f"training lacks tags of {split}, which are always wrong (with their words): {listed}{more}")
    return notes


def _learned(tag: str, kind: Kind) -> str:
    """What is learned of a tag: of a span its type."""
    return tag[2:] if kind == "spans" and tag != OUTSIDE else tag
