"""Patterns of what programs put values into: format specifiers, template tags and markup of other programs.

printf (C, Objective-C, PHP; positional, with flags and widths), Python, Ruby, Java and ICU, Qt, Laravel, Symfony,
JavaScript template literals, Angular, Vue, Handlebars, ERB, i18next, MediaWiki, WordPress, LaTeX, Slack, code spans of
Markdown, shortcodes of emoji, escape sequences, paths, options, keys and names of programs. `<`, `>` and `&` may have
been written as entities.
"""

from __future__ import annotations

import re

from service.tasks.translation.subwords import SPECIAL_CHARACTERS

_AMPERSAND, _LT, _GT = (f"[{character}{SPECIAL_CHARACTERS[character]}]" for character in "&<>")
_BRACKETS = "<>" + SPECIAL_CHARACTERS["<"] + SPECIAL_CHARACTERS[">"]
_CONVERSION = r"(?:hh|h|ll|l|L|q|j|z|t)?[diouxXeEfFgGaAcsSpn@](?![^\W_])"
_PRINTF = rf"%(?:\d+\$)?[-+#0']*+(?:\*|\d+)?(?:\.(?:\*|\d+))?{_CONVERSION}"
_QT = r"%L?\d{1,2}(?!\w|%(?!L?\d))"
_KEYS = "Ctrl|Control|Alt|AltGr|Shift|Cmd|Command|Option|Win|Meta|Super|Fn|Strg|Umschalt"
_SCHEMES = "tel|sms|callto|geo|urn|doi|isbn|magnet|skype|data|sha1|sha224|sha256|sha384|sha512|md5"
_QUOTED = r"\"[^\"\[\]\n]{0,200}\"|'[^'\[\]\n]{0,200}'"
IDENTIFIER = (
    r"__(?:[A-Z\d_]{2,64}|[a-z\d]{1,32}(?:_[a-z\d]{1,32})+|name|init|main|file|doc|all|dict|class|str|repr)__(?!\w)"
)
"""The name of a constant, a variable or a method of Python, which Markdown would read as bold: `__VALUE__`."""
_PATTERNS = (
    r"``[^\n]{1,200}?``",  # reStructuredText
    r"`[^`\n]{1,200}`",
    r"\{\{\{[^{}]{1,200}\}\}\}",
    r"\{\{[^{}]{1,200}\}\}",  # Angular, Vue, Handlebars, Jinja
    r"\{%[^%{}]{1,200}%\}",
    rf"{_LT}%[^%{_BRACKETS}]{{1,200}}%{_GT}",  # ERB
    r"(?:[$#%]|\$!)\{[^{}]{1,200}\}",  # JavaScript, Ruby, shell, Velocity
    # Fluent, Moodle, Smarty
    rf"\{{\$\w{{1,64}}(?:(?:-{_GT}|\.)\w{{1,64}}|\[[^\[\]{{}}]{{1,64}}\])*(?:\|[^{{}}\n]{{0,64}})?\}}",
    r"\{[#/:@][^{}\n]{1,200}\}",  # Svelte
    r"\{\d{1,2}, ?-?\d{1,3}(?::[^{}\s]{0,64})?\}",  # C#, with a width
    r"\$\$[^$\n]{1,200}\$\$|\\\([^\n]{1,200}?\\\)|\\\[[^\n]{1,200}?\\\]",  # mathematics of LaTeX
    r"(?<![\w$\\])\$(?=[^$\n]{0,200}[\\^_=+<>{}])[^\s$](?:[^$\n]{0,200}[^\s$])?\$(?![\w$])",
    r"(?<![\w$])\$(?:[A-Za-z_]\w{0,63}|\d{1,2})\$(?![\w$])",
    r"\\\([A-Za-z_][\w.]{0,64}\)",  # Swift
    r"\\(?!n[A-Z]|t[A-Z]|r[A-Z])[A-Za-z]{2,20}\*?(?:\[[^\[\]\n]{0,100}\])?(?:\{[^{}\n]{0,200}\})+",  # LaTeX
    r"\[(?:\w{1,20},)?_\d{1,2}(?:,[^\[\]\n]{0,100})?\]",  # Maketext
    rf"\[[a-z][\w-]{{0,40}}(?: +[\w-]{{1,40}}=(?:{_QUOTED}|[^\s\[\]\"']{{1,100}}))+ ?/?\]",  # WordPress
    r"\[/?[a-z]{1,40}(?:[-_][a-z\d]{1,40})+\]|\[/[a-z]{2,40}\]",
    rf"{_LT}(?:@[!&]?|#)[\w-]{{1,40}}(?:\|[^{_BRACKETS}\n]{{1,64}})?{_GT}",  # Slack, Discord
    rf"{_LT}a?:\w{{1,40}}:\d{{1,24}}{_GT}",
    rf"{_LT}\d{{1,2}} ?/{_GT}",  # react-i18next
    r"(?<!\w)@[A-Z]\w{0,40}(?:\.[A-Za-z_]\w{0,40})+",  # Razor
    rf"(?<!\w){IDENTIFIER}",
    r"\$t\([^()]{1,200}\)",  # i18next
    r"\[\[[^\[\]\n]{1,200}\]\]",  # MediaWiki
    r"%\([\w.-]{1,64}\)[-+#0 ]*+\d*+(?:\.\d+)?[diouxXeEfFgGcrsa]",  # Python
    rf"%{_LT}[\w.-]{{1,64}}{_GT}[-+#0 ]*+\d*+(?:\.\d+)?[diouxXeEfFgGcsp]",  # Ruby
    r"\{[\w.\[\]'\"-]{0,64}(?:![rsa])?(?::[^{}\s]{0,64})?\}",  # Python, Rust, C#
    r"\{\w{1,64}, ?(?:number|date|time|spellout|ordinal|duration)(?:, ?[^{}]{1,64})?\}",  # Java, ICU
    # A message with branches, as a whole; its branches may hold arguments.
    r"\{\w{1,64}, ?(?:plural|select|selectordinal),[^{}]*+(?:\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}[^{}]*+)*+\}",
    r"(?<![\w%])%[A-Za-z_][\w.]{1,63}%(?![\w%])",  # Symfony, Windows, mail merge
    r"%#@\w{1,64}@|%\d{1,2}![^!\s]{1,10}!",  # Apple's plurals, messages of Windows
    rf"(?<![\d%])(?:%%(?!\w)|%%[sd](?!\w)|{_PRINTF}|{_QT})+",  # several may follow each other
    r"(?<![\w%])%[sd](?=[A-Za-z]{1,2}(?![\w%]))",  # %dpx, %ss
    r"(?<![\w$])(?:\$\d){2,}(?!\d|[.,]\d)",  # MediaWiki; one alone may be a price
    rf"{_AMPERSAND}{{2}}|\({_AMPERSAND}[A-Za-z]\)",
    # Comparisons and sums of variables.
    rf"(?<![\w'\u2019])[A-Za-z]\s?(?:[=+*^]|[!=]=|[{_BRACKETS}]=?)\s?(?:[A-Za-z]|\d+(?:[.,]\d+)*)(?![\w'\u2019])",
    r"(?<![\w:/.])(?::\w{2,40}:)+(?![\w:])",  # emoji
    # Laravel
    r"(?<![^\s(\[\"'\u201e\u201c>])(?:(?::[a-z][a-z_]{1,40}(?!\w|:(?![a-z])))+|:[A-Z](?:[a-z]{2,40}|[A-Z_]{2,40})(?!\w))",
    rf"\b[A-Z]{{1,4}}{_AMPERSAND}[A-Z]{{1,4}}\b",  # AT&T
    r"(?<![\w.])[A-Za-z](?:\[\w{1,20}\])+",  # elements of arrays
    r"(?<![\w+])\w{1,20}\+\+(?![\w+])|\b[A-Z]#(?!\w)|(?<!\w)\.NET\b",  # C++, C#
    r"(?<!\w)@(?:\.\w{1,20})?:\w(?:[\w.]{0,62}\w)?",  # linked messages of Vue
    r"(?<![\w./-])[^\W_]+(?:_+[^\W_]+)+(?![\w/-]|\.\w)",  # names of variables
    r"(?<!\S)[A-Za-z]:[A-Za-z](?!\S)",
    rf"(?<![\w+])(?:(?:{_KEYS}) ?\+ ?)+(?:F\d{{1,2}}|[A-Z][a-z]{{1,9}}|[A-Za-z\d])(?![\w+])",  # keys
    r"(?<!\w)(?:rgba?|hsla?)\([\d%., /]{1,64}\)",  # colors
    rf"(?<![\w:])(?:{_SCHEMES}):[^\s\"()<>]{{0,300}}\w",
    r"(?<![\w*])\*\.\w{1,8}(?:\.\w{1,8})?(?![\w*])",  # files by their ending
    r"(?<![\w\\])\\\\[\w.-]{1,64}(?:\\[\w.$-]{1,64})+",  # paths in a network
    r"(?<!\w)[A-Za-z]:/[\w./@+-]*\w",
    r"(?<![^\s(\[])-[A-Za-z](?=[\s,;:.!?)]|\Z)",  # short options
    r"(?<![\w=.?&/-])[A-Za-z_][\w.-]{0,63}=(?:\"[^\"\n]{0,100}\"|[^\s=,;()\"]{0,100}\w)",  # settings
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
    rf"[%{{$\[`\\_/<&{''.join(SPECIAL_CHARACTERS.values())}]|:[\w+]|--|(?<![^\s(\[])-[A-Za-z]\b|@[A-Z]|(?:rgb|hsl)a?\(|\(\)|[a-z][A-Z]|[A-Z]#|\.NET|[=+*^>]"
)
ESCAPED_LINE_BREAK = r"\\r\\n|\\n"
"""A line break as source code writes it."""


def may_have_format_specifiers(text: str) -> bool:
    """Whether `FORMAT_SPECIFIER` can match anywhere: most texts have none of its characters."""
    return _MARKS.search(text) is not None
