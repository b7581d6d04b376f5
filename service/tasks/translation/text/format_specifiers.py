"""Patterns of what programs put values into: format specifiers, template tags and markup of other programs.

printf (C, Objective-C, PHP; positional, with flags and widths), Python, Ruby, Java and ICU, Qt, Laravel, JavaScript
template literals, Angular, Vue, Handlebars, ERB, i18next, MediaWiki, code spans of Markdown, shortcodes of emoji,
escape sequences, paths, options and names of programs. `<`, `>` and `&` may have been written as entities.
"""

from __future__ import annotations

import re

from service.tasks.translation.subwords import SPECIAL_CHARACTERS

_AMPERSAND, _LT, _GT = (f"[{character}{SPECIAL_CHARACTERS[character]}]" for character in "&<>")
_BRACKETS = "<>" + SPECIAL_CHARACTERS["<"] + SPECIAL_CHARACTERS[">"]
_CONVERSION = r"(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGaAcsSpn@](?![^\W_])"
_PRINTF = rf"%(?:\d+\$)?[-+#0']*(?:\*|\d+)?(?:\.(?:\*|\d+))?{_CONVERSION}"
_QT = r"%L?\d{1,2}(?!\w|%(?!L?\d))"
_PATTERNS = (
    r"`[^`\n]{1,200}`",
    r"\{\{\{[^{}]{1,200}\}\}\}",
    r"\{\{[^{}]{1,200}\}\}",  # Angular, Vue, Handlebars, Jinja
    r"\{%[^%{}]{1,200}%\}",
    rf"{_LT}%[^%{_BRACKETS}]{{1,200}}%{_GT}",  # ERB
    r"[$#%]\{[^{}]{1,200}\}",  # JavaScript, Ruby, shell
    r"\$t\([^()]{1,200}\)",  # i18next
    r"\[\[[^\[\]\n]{1,200}\]\]",  # MediaWiki
    r"%\([\w.-]{1,64}\)[-+#0 ]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]",  # Python
    rf"%{_LT}[\w.-]{{1,64}}{_GT}[-+#0 ]*\d*(?:\.\d+)?[diouxXeEfFgGcsp]",  # Ruby
    r"\{[\w.\[\]'\"-]{0,64}(?:![rsa])?(?::[^{}\s]{0,64})?\}",  # Python, Rust, C#
    r"\{\w{1,64}, ?(?:number|date|time|spellout|ordinal|duration)(?:, ?[^{}]{1,64})?\}",  # Java, ICU
    # A message with branches, as a whole; its branches may hold arguments.
    r"\{\w{1,64}, ?(?:plural|select|selectordinal),[^{}]*+(?:\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}[^{}]*+)*+\}",
    rf"(?<![\d%])(?:%%(?!\w)|%%[sd](?!\w)|{_PRINTF}|{_QT})+",  # several may follow each other
    r"(?<![\w%])%[sd](?=[A-Za-z]{1,2}(?![\w%]))",  # %dpx, %ss
    r"(?<![\w$])(?:\$\d){2,}(?!\d|[.,]\d)",  # MediaWiki; one alone may be a price
    rf"{_AMPERSAND}{{2}}|\({_AMPERSAND}[A-Za-z]\)",
    # Comparisons and sums of variables.
    rf"(?<![\w'\u2019])[A-Za-z]\s?(?:[=+*^]|[!=]=|[{_BRACKETS}]=?)\s?(?:[A-Za-z]|\d+(?:[.,]\d+)*)(?![\w'\u2019])",
    r"(?<![\w:/.])(?::\w{2,40}:)+(?![\w:])",  # emoji
    r"(?<![^\s(\[\"'\u201e\u201c>])(?::[a-z][a-z_]{1,40}(?!\w|:(?![a-z])))+",  # Laravel
    rf"\b[A-Z]{{1,4}}{_AMPERSAND}[A-Z]{{1,4}}\b",  # AT&T
    r"(?<![\w.])[A-Za-z](?:\[\w{1,20}\])+",  # elements of arrays
    r"(?<![\w+])\w{1,20}\+\+(?![\w+])|\b[A-Z]#(?!\w)|(?<!\w)\.NET\b",  # C++, C#
    r"(?<!\w)@(?:\.\w{1,20})?:\w(?:[\w.]{0,62}\w)?",  # linked messages of Vue
    r"(?<![\w./-])[^\W_]+(?:_+[^\W_]+)+(?![\w/-]|\.\w)",  # names of variables
    r"(?<!\S)[A-Za-z]:[A-Za-z](?!\S)",
    r"(?<!\w)[A-Za-z]:\\(?:[^\s\"<>|]*[\w\\])?",  # paths of Windows
    r"(?<![\w/.~])(?:(?:~|\.{1,2})/[\w./@+-]*\w|(?:/[\w.@+~-]*\w){2,})/?",  # paths
    r"(?<![\w/.-])\w[\w.-]{0,64}(?:/[\w.-]{1,64}){1,16}\.[A-Za-z]\w{0,4}(?!\w)",
    r"(?<![\w.])[A-Za-z_][\w.]{0,64}\(\)",  # functions
    r"(?<![\w.])[a-z]{1,32}[A-Z]\w{0,32}[a-z]\w{0,64}",  # names in camel case
    r"(?<![\w$])\$[A-Za-z_]\w{0,64}",  # variables of PHP and shells
    r"(?<![\w-])--[a-z][\w-]{0,64}(?:=[^\s,;)\"]{1,64})?",  # options
    r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[tvfba0\"'\\](?![a-z]))",  # escape sequences of source code
)


FORMAT_SPECIFIER = "|".join(_PATTERNS)
"""Matches any of them."""
_MARKS = re.compile(
    rf"[%{{$\[`\\_/<&{''.join(SPECIAL_CHARACTERS.values())}]|:\w|--|\(\)|[a-z][A-Z]|[A-Z]#|\.NET|[=+*^>]"
)
ESCAPED_LINE_BREAK = r"\\r\\n|\\n"
"""A line break as source code writes it."""


def may_have_format_specifiers(text: str) -> bool:
    """Whether `FORMAT_SPECIFIER` can match anywhere: most texts have none of its characters."""
    return _MARKS.search(text) is not None
