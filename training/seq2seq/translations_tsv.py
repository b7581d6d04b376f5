"""The translations of an evaluation as a table: to read, to compare runs, and for sacreBLEU's command line."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.common.errors import RunError
from training.common.files import write_text
from training.common.run import Run
from training.seq2seq.config import stored_config
from training.seq2seq.data.cleaning import count_words
from training.seq2seq.metrics import bleu

_MIN_SENTENCES = 10
"""Groups with fewer sentences get no score."""
_MAX_WORDS = (3, 5, 7, 9, 12, 16, 20, 25, 30)
"""Words of the longest source of each group; one more group has all longer ones."""
_SAMPLES = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sentence of a split; as text is cleaned, no field has a tab or a line feed."""

    source: str
    reference: str
    translation: str
    near_duplicate: bool
    """Whether training has a near-duplicate of it."""


def write_translations(path: Path, rows: Iterable[Row]) -> None:
    """One line per row: source, reference, translation, and `near` or `new`."""
    lines = (
        "\t".join((row.source, row.reference, row.translation, "near" if row.near_duplicate else "new")) for row in rows
    )
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_translations(run: Run, split: str) -> list[Row]:
    """The table of an earlier evaluation.

    Raises:
        RunError: the split was not evaluated, or its table is damaged.
    """
    path = translations_path(run, split)
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        cells = [line.split("\t") for line in lines]
        return [
            Row(source=source, reference=reference, translation=translation, near_duplicate=near == "near")
            for source, reference, translation, near in cells
        ]
    except FileNotFoundError as error:
        raise RunError(
            f"{run.path}: has no {path.name}; evaluate it first: "
            f"lectern-train seq2seq evaluate --run {run.path} --split {split}"
        ) from error
    except ValueError as error:
        raise RunError(f"{path}: is damaged; evaluate {run.path} again") from error


def translations_path(run: Run, split: str) -> Path:
    """The path of the table of a split."""
    return run.path / f"translations_{split}.tsv"


def label(run: Run) -> str:
    """The label of a run in plots: its attention."""
    attention = stored_config(run).network.attention
    return "no attention" if attention == "none" else f"{attention} attention"


@dataclass(frozen=True, kw_only=True)
class LengthGroup:
    """The score of the sentences whose sources have from `shortest` to `longest` words."""

    shortest: int
    longest: int | None
    sentences: int
    bleu: float

    @property
    def words(self) -> str:
        """The range of words, as in `4-5` or `31+`."""
        if self.longest is None:
            return f"{self.shortest}+"
        return f"{self.shortest}-{self.longest}" if self.longest > self.shortest else str(self.shortest)


def by_length(rows: Sequence[Row], *, lower_case: bool, language: str) -> list[LengthGroup]:
    """BLEU by length of the source in words; groups with few sentences are left out."""
    groups = []
    for shortest, longest in zip((1, *(words + 1 for words in _MAX_WORDS)), (*_MAX_WORDS, None), strict=True):
        members = [row for row in rows if shortest <= count_words(row.source) <= (longest or math.inf)]
        if len(members) < _MIN_SENTENCES:
            continue
        score = bleu(
            [row.translation for row in members],
            [row.reference for row in members],
            lower_case=lower_case,
            language=language,
        )
        groups.append(LengthGroup(shortest=shortest, longest=longest, sentences=len(members), bleu=round(score, 2)))
    return groups


def side_by_side(columns: dict[str, Sequence[Row]]) -> str:
    """Translations of one or several runs below each other, of sentences spread evenly over the split, as text.

    Args:
        columns: the rows of each run, by its label; all of the same sentences.
    """
    first = next(iter(columns.values()))
    width = max(len("reference"), *map(len, columns)) + 2
    blocks = []
    for index in range(0, len(first), max(1, len(first) // _SAMPLES)):
        row = first[index]
        near = "   (training has nearly the same)" if row.near_duplicate else ""
        lines = [f"{'source':{width}}{row.source}{near}", f"{'reference':{width}}{row.reference}"]
        lines += [f"{name:{width}}{rows[index].translation}" for name, rows in columns.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"
