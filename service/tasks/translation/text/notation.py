"""Writes numbers, dates and times in the notation of another language: 49.99 is 49,99 in German."""

from __future__ import annotations

import re
from collections.abc import Callable

from service.tasks.translation.text.number_patterns import CURRENCY_SIGNS, MONTHS, month_number
from service.tasks.translation.text.spans import Span, SpanKind

_SEPARATORS = {
    **dict.fromkeys(("en", "zh", "ja", "ko", "he", "th", "hi"), (".", ",")),
    **dict.fromkeys(("de", "nl", "es", "it", "pt", "tr", "da", "el", "id", "ro", "hr", "sl"), (",", ".")),
    **dict.fromkeys(("fr", "ru", "uk", "pl", "cs", "sk", "sv", "nb", "no", "fi", "hu", "bg"), (",", "\u202f")),
}
"""The decimal separator and the thousands separator, by language."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PRICE = re.compile(
    rf"(?P<before>(?:US|[AC])?[{CURRENCY_SIGNS}])? ?(?P<number>[\d.,]+) ?(?P<after>[{CURRENCY_SIGNS}])?"
)
_AMOUNT_BEFORE = re.compile(
    r"(?:\d\s*(?:bis|und|oder|mal|to|and|or|x|[-,/~:\u2013\u2014\u00d7])?\s*"
    r"|[-/~*^=+'\u2019\u2010-\u2015\u2212\u00d7]|\b[A-Z]{2,3} ?)\Z"
)
_AMOUNT_AFTER = re.compile(
    rf"\w|\s*(?:[-/~*^=+<\d{CURRENCY_SIGNS}\u2010-\u2015\u2026\u2212\u00bc-\u00be\u00d7]|[A-Z]{{2,3}}\b|[kKmM]\b"
    rf"|(?:to|or|and|bis|und|oder|,)\s*[\d{CURRENCY_SIGNS}]"
    r"|(?i:hundred|thousand|dozen|grand|lakh|crore|[mbt]r?illi|ml[nr]|mio|mrd|tausend|hundert|[bmt]n\b))"
)
"""What beside a number belongs to it, so that its sign stays: `$5 million`, `$5/month`, `5 bis 10 €`, `CAD $5`."""
_MAX_BEFORE = 12
"""Characters before a number that are looked at."""
_NO_WHOLE = re.compile(r"(?<![\d.,])\.(?=\d)")
"""The point of a number without digits before it, as English has it: `.5`."""
_MERIDIEM = re.compile(r"(\d{1,2})(?:[:.](\d\d))? ?([AaPp])\.?[Mm]\.?")
_ENGLISH_ORDINAL, _GERMAN_ORDINAL = re.compile(r"(\d[\d,]*)(?:st|nd|rd|th)"), re.compile(r"(\d{1,3})\.")
_ENGLISH_DECADE, _GERMAN_DECADE = re.compile(r"(\d+)s"), re.compile(r"(\d+)er(?: Jahren?)?")
_MONTH_DATE = re.compile(
    r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)? ?(?:of )?(?P<month>[^\W\d_]+)\.?(?:,? (?P<year>\d{4}))?"
    r"|(?P<month2>[^\W\d_]+)\.? (?P<day2>\d{1,2})(?:st|nd|rd|th)?(?:,? (?P<year2>\d{4}))?"
)


def render(text: str, span: Span, source: str, target: str) -> str:
    """A span of a text in the notation of the target language; unchanged where that is not certain.

    Args:
        text: the text.
        span: dates in digits alone, codes and addresses are never changed.
        source: the language it was written in, ISO 639-1.
        target: the language to write it in, ISO 639-1.
    """
    read = text[span.start : span.end]
    if source == target:
        return read
    renderer = _RENDERERS.get(span.kind)
    rendered = renderer(read, source, target) if renderer else read
    return _move_currency_sign(rendered, target) if _is_whole_amount(text, span) else rendered


def _is_whole_amount(text: str, span: Span) -> bool:
    """Whether nothing beside a number belongs to it."""
    if span.kind is not SpanKind.NUMBER:
        return False
    before = text[max(0, span.start - _MAX_BEFORE) : span.start]
    return not _AMOUNT_BEFORE.search(before) and not _AMOUNT_AFTER.match(text, span.end)


def _move_currency_sign(price: str, target: str) -> str:
    """A price with the sign where the language has it: `$250` in English, `250 $` in German."""
    match = _PRICE.fullmatch(price)
    sign = match and (match["before"] or match["after"])
    if not match or not sign or match["number"] == "0" or target not in ("en", "de"):
        return price
    return f"{sign}{match['number']}" if target == "en" else f"{match['number']} {sign}"


def _render_number(text: str, source: str, target: str) -> str:
    if source == "en" and (ordinal := _ENGLISH_ORDINAL.fullmatch(text)):
        return f"{_separate(ordinal[1], source, target)}." if target == "de" else text
    if source == "de" and (ordinal := _GERMAN_ORDINAL.fullmatch(text)):
        return ordinal[1] + english_ordinal_ending(int(ordinal[1])) if target == "en" else text
    if source == "en" and (decade := _ENGLISH_DECADE.fullmatch(text)):
        return f"{decade[1]}er Jahren" if target == "de" else text
    if source == "de" and (decade := _GERMAN_DECADE.fullmatch(text)):
        return f"{decade[1]}s" if target == "en" else text
    if source in _SEPARATORS and target in _SEPARATORS and _SEPARATORS[source][0] == "." != _SEPARATORS[target][0]:
        text = _NO_WHOLE.sub("0.", text)
    return _NUMBER.sub(lambda number: _separate(number[0], source, target), text)


def english_ordinal_ending(number: int) -> str:
    """The letters after an ordinal in digits: 1st, 2nd, 3rd, 4th."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _separate(number: str, source: str, target: str) -> str:
    """A number with the separators of the target; unchanged if it is not written with those of the source."""
    if source not in _SEPARATORS or target not in _SEPARATORS:
        return number
    decimal, thousands = _SEPARATORS[source]
    grouped = thousands if thousands in ".," else "."
    if not re.fullmatch(rf"(?:\d{{1,3}}(?:{re.escape(grouped)}\d{{3}})+|\d+)(?:{re.escape(decimal)}\d+)?", number):
        return number
    whole, point, fraction = number.partition(decimal)
    new_decimal, new_thousands = _SEPARATORS[target]
    return whole.replace(grouped, new_thousands) + (new_decimal if point else "") + fraction


def _render_time(text: str, source: str, target: str) -> str:
    meridiem = _MERIDIEM.fullmatch(text)
    if meridiem and target == "de" and 1 <= int(meridiem[1]) <= 12:
        hour = int(meridiem[1]) % 12 + (12 if meridiem[3] in "Pp" else 0)
        return f"{hour}:{meridiem[2]} Uhr" if meridiem[2] else f"{hour} Uhr"
    return text.removesuffix("Uhr").rstrip().replace(".", ":") if source == "de" and not meridiem else text


def _render_date(text: str, source: str, target: str) -> str:
    """A date with the name of its month; one in digits alone may be read in two ways, and is not changed."""
    match = _MONTH_DATE.fullmatch(text)
    if match is None or source not in MONTHS or target not in MONTHS:
        return text
    day, name, year = (match[group] or match[f"{group}2"] for group in ("day", "month", "year"))
    month = MONTHS[target][month_number(name, source) - 1]
    if target == "de":
        return f"{int(day)}. {month}" + (f" {year}" if year else "")
    return f"{month} {int(day)}" + (f", {year}" if year else "")


_RENDERERS: dict[SpanKind, Callable[[str, str, str], str]] = {
    SpanKind.NUMBER: _render_number,
    SpanKind.TIME: _render_time,
    SpanKind.DATE: _render_date,
}
