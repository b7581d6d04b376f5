"""Lines of programs and commands, told from sentences by the signs in them."""

from __future__ import annotations

import re

_SIGNS = (
    r"[=!<>]=|=>|->|::|\+=|&&|\|\|",
    r"\(\)|\w\([^()\s]*\)\)?[;:{]",
    r"[{}]",
    r"[;{]\s*\Z",
    r"(?<=\w) = (?=\S)",
    r"\w\[\w+\]",
    r"(?<!\S)--?[a-z][\w-]*",
    r"(?<=\w) \| (?=\w)",
    r"\A\s*(?:[$>#%] |(?:sudo|git|npm|npx|pip3?|docker|kubectl|apt(?:-get)?|brew|curl|wget|ssh|cd|ls|cp|mv|rm|mkdir) )",
    r"\A\s*(?:def|class|import|from|return|const|let|var|function|public|private|static|void|int|#include) \S",
    r"\A\s*(?:if|while|for|elif|switch) ?\(.*\)",
    r"\A\s*(?:if|while|for|elif|else|try|with|except)\b.*:\s*\Z",
    r"\A\s*(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE|DROP TABLE)\b",
    r"\b(?:FROM|WHERE|VALUES|JOIN|ORDER BY|GROUP BY)\b",
    r"(?<=\w)\((?:[\"'][^\"'\n]*[\"']|\w+(?:, ?\w+)+)\)",
    r"\w\.\w+\(",
    r"</?\w+|/>|\?>|<\?",
    r"\A\s*[\w.]+\((?:|[\"'].*|(?=.*[,=]).*)\);?\s*\Z",
    r"\$[A-Za-z_]\w*",
)
_PATTERNS = tuple(map(re.compile, _SIGNS))
_MIN_SIGNS = 2
"""One sign alone stands in sentences too: a plural in brackets, an arrow."""
_MARKS = re.compile(r"[=(){}\[\];|$<>]|--?[a-z]|(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP) ")


_STATEMENT = re.compile(
    r"\A\s*(?:[A-Za-z_][\w.\[\]]*(?: \w+)? ?[-+*/|&:]?= ?\S|\}|[a-z_][\w.]*\(.*\)\s*\Z|[$] \w)|\)\s*;\s*\Z|\{\s*\Z"
)


def is_statement(line: str) -> bool:
    """Whether an indented line is of a program: one sign is enough there, an assignment, a call or a semicolon."""
    return _STATEMENT.search(line) is not None or is_code(line)


def is_code(line: str) -> bool:
    """Whether a line is of a program or for a shell, and no sentence."""
    if not _MARKS.search(line):
        return False
    return sum(pattern.search(line) is not None for pattern in _PATTERNS) >= _MIN_SIGNS
