"""The lines of gettext's PO files: their encoding, and whether each is whole.

polib takes the characters between the first and the last of a line for its text, whatever they are.
"""

import re
from collections.abc import Iterator

from training.common.errors import DatasetError

_KEYWORDS = "msgctxt|msgid_plural|msgid|msgstr(?:\\[\\d\\])?"
_LINE = re.compile(rf'(?P<keyword>{_KEYWORDS})?\s*"(?:[^"\\]|\\.)*"')
_HEADER = re.compile(rb'^msgid[ \t]+""\s+msgstr[ \t]+((?:"[^\r\n]*\s*)*)', re.MULTILINE)
_CHARSET = re.compile(rb"Content-Type:[^\"\n\\]*charset=([\w.:-]+)", re.IGNORECASE)
_SEPARATORS = dict.fromkeys(map(ord, "\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")
"""Characters within a string at which polib would end the line."""


def po_encoding(content: bytes) -> str:
    """The encoding that the header entry of a PO file names; UTF-8 if it names none."""
    header = _HEADER.search(content)
    charset = _CHARSET.search(header[1]) if header else None
    return charset[1].decode() if charset and charset[1] != b"CHARSET" else "utf-8"


def whole_lines(text: str, name: str) -> str:
    """The text of a PO file, with spaces instead of what ends a line for Python only.

    Raises:
        DatasetError: a line is no whole string in quotation marks, or an entry has no translation line.
    """
    text = text.translate(_SEPARATORS)
    for number, fault in _faults(text.splitlines()):
        raise DatasetError(f"{name}:{number}: is no PO file: {fault}; correct the line (`msgfmt -c {name}` checks it)")
    return text


def _faults(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that are wrong, each with its number and what is wrong."""
    message = 0  # the line of a message whose translation has not come yet
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            yield number, 'a whole string in quotation marks is expected, as in msgstr "Hallo"'
            continue
        keyword = match["keyword"] or ""
        if keyword in ("msgctxt", "msgid") and message:
            yield message, "the message has no msgstr"
        if keyword == "msgid":
            message = number
        elif keyword.startswith("msgstr"):
            message = 0
    if message:
        yield message, "the message has no msgstr; the file was cut off"
