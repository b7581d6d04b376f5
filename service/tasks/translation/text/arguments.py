"""Format specifiers whose argument is told by their order: `%s`, `%5.2f`, `{}`; not `%1$s`, `%(name)s`, `{0}`."""

from __future__ import annotations

import re

_LENGTH = r"(?:hh|h|ll|l|L|q|j|z|t)?"
_UNNUMBERED = re.compile(
    rf"(?P<percent>%%)|%[-+#0']*+(?:\*|\d+)?(?:\.(?:\*|\d+))?{_LENGTH}[diouxXeEfFgGaAcsSpn@](?![^\W_])"
    r"|(?<!\{)\{(?:![rsa])?(?::[^{}\s]*)?\}"
)


def unnumbered_arguments(text: str) -> list[str]:
    """The format specifiers without number or name in a text, in reading order."""
    return [match.group() for match in _UNNUMBERED.finditer(text) if not match["percent"]]


def has_unnumbered_argument(text: str) -> bool:
    """Whether there is such a format specifier in a text."""
    return bool(unnumbered_arguments(text))
