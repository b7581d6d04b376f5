"""Patterns of what programs put values into: format specifiers, template tags and markup of other programs.

printf (C, Objective-C, PHP; positional, with flags and widths), Python, Ruby, Java and ICU, Qt, Laravel, JavaScript
template literals, Angular, Vue, Handlebars, ERB, i18next, MediaWiki, code spans of Markdown, shortcodes of emoji.
"""

from __future__ import annotations

import re

_CONVERSION = r"(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGaAcsSpn@](?![^\W_])"
_PRINTF = rf"(?<![\w%])%(?:\d+\$)?[-+#0']*(?:\*|\d+)?(?:\.(?:\*|\d+))?{_CONVERSION}"
_PATTERNS = (
    r"`[^`\n]{1,200}`",
    r"\{\{\{[^{}]{1,200}\}\}\}",
    r"\{\{[^{}]{1,200}\}\}",  # Angular, Vue, Handlebars, Jinja
    r"\{%[^%{}]{1,200}%\}",
    r"<%[^%<>]{1,200}%>",  # ERB
    r"[$#%]\{[^{}]{1,200}\}",  # JavaScript, Ruby, shell
    r"\$t\([^()]{1,200}\)",  # i18next
    r"\[\[[^\[\]\n]{1,200}\]\]",  # MediaWiki
    r"%\([\w.-]{1,64}\)[-+#0 ]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]",  # Python
    r"%<[\w.-]{1,64}>[-+#0 ]*\d*(?:\.\d+)?[diouxXeEfFgGcsp]",  # Ruby
    r"\{[\w.\[\]-]{0,64}(?:![rsa])?(?::[^{}\s]{0,64})?\}",  # Python, Rust, C#
    r"\{\w{1,64}, ?(?:number|date|time|spellout|ordinal|duration)(?:, ?[^{}]{1,64})?\}",  # Java, ICU
    # A message with branches, as a whole; its branches may hold arguments.
    r"\{\w{1,64}, ?(?:plural|select|selectordinal),[^{}]*+(?:\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}[^{}]*+)*+\}",
    r"(?<![\w%])%%(?!\w)",
    _PRINTF,
    r"(?<![\w%])%L?\d{1,2}(?![\w%])",  # Qt
    r"(?<![\w:/.]):\w{2,40}:(?![\w:])",  # emoji
    r"(?<![^\s(\[\"'>]):[a-z][a-z_]{1,40}(?![\w:])",  # Laravel
    r"\b[A-Z]{1,4}&[A-Z]{1,4}\b",  # AT&T
    r"(?<![\w./-])[^\W_]+(?:_+[^\W_]+)+(?![\w/-]|\.\w)",  # names of variables
    r"(?<!\S)[A-Za-z]:[A-Za-z](?!\S)",
    r"(?<!\w)[A-Za-z]:\\(?:[^\s\"<>|]*[\w\\])?",  # paths of Windows
)
FORMAT_SPECIFIER = "|".join(_PATTERNS)
"""Matches any of them."""
_MARKS = re.compile(r"[%{$<\[`\\&_]|:\w")
ESCAPED_LINE_BREAK = r"\\r\\n|\\n"
"""A line break as source code writes it."""


def may_have_format_specifiers(text: str) -> bool:
    """Whether `FORMAT_SPECIFIER` can match anywhere: most texts have none of its characters."""
    return _MARKS.search(text) is not None
