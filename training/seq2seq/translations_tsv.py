"""What was translated in an evaluation, as a table: for reading, for comparing, and for sacreBLEU's command line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.common.errors import RunError
from training.common.run import Run, write_text
from training.seq2seq.config import stored_config
from training.seq2seq.data.cleaning import length
from training.seq2seq.metrics import bleu

_LEAST = 10
"""Sentences of a length below which a score of them says nothing."""
_ENDS = (3, 5, 7, 9, 12, 16, 20, 25, 30)
"""Words of the longest source of each group."""
_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sentence of a split; no part of it holds a tab or a line feed, since all is cleaned."""

    source: str
    reference: str
    found: str
    near: bool
    """Whether training has a near-duplicate of it."""


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """A line each: source, reference, translation, and `near` or `new`."""
    lines = ("\t".join((row.source, row.reference, row.found, "near" if row.near else "new")) for row in rows)
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_table(run: Run, split: str) -> list[Row]:
    """What another evaluation wrote.

    Raises:
        RunError: there was none of this split, or its table is damaged.
    """
    path = table_path(run, split)
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        cells = [line.split("\t") for line in lines]
        return [Row(source=one, reference=two, found=three, near=near == "near") for one, two, three, near in cells]
    except FileNotFoundError as error:
        raise RunError(
            f"{run.path}: has no {path.name}; evaluate it first: "
            f"lectern-train seq2seq evaluate --run {run.path} --split {split}"
        ) from error
    except ValueError as error:
        raise RunError(f"{path}: is damaged; evaluate {run.path} again") from error


def table_path(run: Run, split: str) -> Path:
    """Where the table of a split is."""
    return run.path / f"translations_{split}.tsv"


def label(run: Run) -> str:
    """What a run is called in a picture: by its attention."""
    attention = stored_config(run).network.attention
    return "no attention" if attention == "none" else f"{attention} attention"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sentences whose sources have from `shortest` to `longest` words."""

    shortest: int
    longest: int | None
    sentences: int
    bleu: float

    @property
    def words(self) -> str:
        """`4-5`, `31+`."""
        if self.longest is None:
            return f"{self.shortest}+"
        return f"{self.shortest}-{self.longest}" if self.longest > self.shortest else str(self.shortest)


def by_length(rows: Sequence[Row], *, lower_case: bool, language: str) -> list[Group]:
    """BLEU by length of the source in words; groups of few sentences are left out."""
    groups = []
    for shortest, longest in zip((1, *(end + 1 for end in _ENDS)), (*_ENDS, None), strict=True):
        own = [row for row in rows if shortest <= length(row.source) <= (longest or length(row.source))]
        if len(own) < _LEAST:
            continue
        score = bleu(
            [row.found for row in own], [row.reference for row in own], lower_case=lower_case, language=language
        )
        groups.append(Group(shortest=shortest, longest=longest, sentences=len(own), bleu=round(score, 2)))
    return groups


def side_by_side(columns: dict[str, Sequence[Row]]) -> str:
    """Translations of one run or several under each other, of sentences spread evenly over the split, as text.

    Args:
        columns: the same sentences as translated by each run.
    """
    first = next(iter(columns.values()))
    width = max(len("reference"), *map(len, columns)) + 2
    blocks = []
    for place in range(0, len(first), max(1, len(first) // _SHOWN)):
        row = first[place]
        near = "   (training has nearly the same)" if row.near else ""
        lines = [f"{'source':{width}}{row.source}{near}", f"{'reference':{width}}{row.reference}"]
        lines += [f"{name:{width}}{rows[place].found}" for name, rows in columns.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"
