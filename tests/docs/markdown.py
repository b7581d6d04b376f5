"""Parses Markdown: the part of it that the project's documents use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.support.processes import ROOT

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]+`")

DOCUMENTS = tuple(
    sorted(
        path
        for path in (
            *ROOT.glob("*.md"),
            *(ROOT / "docs").glob("*.md"),
            *ROOT.glob("tests/**/*.md"),
            *ROOT.glob("training/*.md"),
        )
        if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
    )
)
"""Every document but the model cards."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ("" where none is named) and its text."""

    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document in order."""
    return [Block(match[1], match[2]) for match in _FENCE.finditer(path.read_text(encoding="utf-8"))]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> Iterator[str]:
    """The targets of the links of a document."""
    for match in _LINK.finditer(_CODE.sub("", prose(path))):
        yield match[1]


def code_spans(path: Path) -> list[str]:
    """The inline code outside fenced blocks."""
    return [match[0][1:-1] for match in _CODE.finditer(prose(path))]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(path: Path) -> list[list[str]]:
    """The rows of all tables of a document, cell by cell."""
    return [row for table in tables(path) for row in table]


def tables(path: Path) -> list[list[list[str]]]:
    """The tables of a document: rows of cells, header first; a table ends at a line that is no row of one."""
    lines = [line.strip() for line in prose(path).splitlines()]
    groups = groupby(lines, lambda line: line.startswith("|"))
    return [[_cells(line) for line in group] for is_table, group in groups if is_table]


def _cells(row: str) -> list[str]:
    """The cells of a row of a table; `\\|` does not end one."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.removeprefix("|").removesuffix("|"))]


def name(path: Path) -> str:
    """A document as test ids name it."""
    return path.relative_to(ROOT).as_posix()
