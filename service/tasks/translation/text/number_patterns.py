"""Patterns for what is written with digits: dates, times, phone numbers, codes, versions, prices, numbers.

They depend on the language of the text. Month names are part of a date only if both languages of a pair have month
names here; otherwise only the digits of such a date are found.
"""

from __future__ import annotations

import re
from functools import lru_cache

# fmt: off
MONTHS: dict[str, tuple[str, ...]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December"),
    "de": ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
           "Dezember"),
}
"""The names of the twelve months."""
MONTH_ABBREVIATIONS: dict[str, dict[str, int]] = {
    "en": {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "Jun": 6, "Jul": 7, "Aug": 8, "Sept": 9, "Sep": 9, "Oct": 10,
           "Nov": 11, "Dec": 12},
    "de": {"Jänner": 1, "Jan": 1, "Feb": 2, "Mär": 3, "Apr": 4, "Jun": 6, "Jul": 7, "Aug": 8, "Sept": 9, "Sep": 9,
           "Okt": 10, "Nov": 11, "Dez": 12},
}
"""The number of each month by its other names."""
_UNITS = (
    "km/h", "mph", "km²", "m²", "m³", "km", "cm", "mm", "kg", "mg", "ml", "kWh", "kW", "GB", "MB", "TB", "kB", "GHz",
    "MHz", "kHz", "Hz", "dB", "°C", "°F", "°", "%", "‰",
)
# fmt: on
CURRENCY_SIGNS = "$€£¥₹₽₩"
_CURRENCY_CODES = "USD|EUR|GBP|CHF|JPY|CNY"

# Not within a word, a number or an address.
_START, _END = r"(?<![\w.,:/-])", r"(?![\w]|[.,:/-]\d)"
_DIGIT_OR_INNER_STOP = re.compile(r"\d|\w\.\w")
_DIGITS = r"(?:\d+(?:[.,]\d+)*|(?<![\w.,])\.\d+)"
_NUMERIC_DATE = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}(?P<SEPARATOR>[./-])\d{1,2}(?P=SEPARATOR)(?:\d{4}|\d\d))"
_ENGLISH_MERIDIEM = r"\d{1,2}(?:[:.]\d\d)? ?(?:[ap]\.m(?:\.(?!\s*$|[\"')\]]*\s+[A-Z]))?|[AaPp][Mm](?![\w.]\w))"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?"
_TIMESTAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?!\w)"
_DOI = r"10\.\d{4,9}/[\w.()/:;-]{0,100}\w"
_ANGLE_OR_LENGTH = (
    r"\d{1,3}\u00b0 ?\d{1,2}['\u2032\u2019](?: ?\d{1,2}(?:[.,]\d+)?[\"\u2033\u201d])?(?: ?[NSEWO](?!\w))?"
    r"|\d{1,3}['\u2032\u2019] ?\d{1,2}[\"\u2033\u201d]|\d{1,4}[\u2032\u2033]"
)
"""Degrees and minutes, feet and inches."""
_SWISS = r"\d{1,3}(?:['\u2019]\d{3})+(?:\.\d+)?(?!\w)"
_PHONE = r"(?:\+\d{1,3}|\(?0\d{1,5}\)?)(?:[ /-]{1,3}\(?\d{1,8}\)?){1,5}"
_VERSION_WORDS = {
    "en": ("version ", "Version ", "chapter ", "Chapter ", "section ", "Section ", "release ", "Release "),
    "de": ("Version ", "Kapitel ", "Abschnitt ", "Ausgabe ", "Release "),
}
_GERMAN_DETERMINERS = ("der", "die", "das", "dem", "den", "des", "am", "vom", "zum", "zur", "im", "beim", "ab", "seit")
# A code has both letters and digits: A-10482, X7kQ-92, report_2.pdf, H2O; or capitals before a number: LH 440, B 213.
_MIXED = r"(?!\d+-[^\W\d_]{3})(?=[\w.-]{0,30}\d)(?=[\w.-]{0,30}[^\W\d_])\w+(?:[._-]\w+)*"
_FILE_NAME = (
    r"\w[\w-]*(?:\.[\w-]{1,30}){0,3}\.(?:"
    r"pdf|txt|md|rst|tex|docx?|xlsx?|pptx?|od[tsp]|rtf|epub|csv|tsv|json|ya?ml|toml|xml|ini|cfg|conf|log|sql|html?|css"
    r"|scss|php|vue|jsx?|tsx?|ipynb|py|rb|rs|cpp|hpp|sh|jpe?g|png|gif|svg|webp|bmp|wav|ogg|avi|mov|mkv|webm|mp[34]|zip|gz"
    r"|tgz|xz|rar|iso|dmg|apk|deb|rpm|exe|dll|onnx|com|org|net|edu|gov|io|eu|de|NET)"
)
"""Endings of files and hosts that are no words: after a full stop without a space there may be a sentence."""
_IPV6 = r"(?=[A-Fa-f:]{0,24}\d)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:/\d{1,3})?(?![\w:])"
_SERIES = r"(?:[A-ZÄÖÜ]{1,3}-[A-ZÄÖÜ]{1,2} \d{1,4}|(?!(?:I|A|AM|PM|AD|BC) )[A-ZÄÖÜ]{1,4} \d{2,6})"


_LONG_NUMBER = r"(?<![\w.,])(?=(?:[.,:/-]?\d){5}|\d+\.\d+\.\d)\d+(?:[.,:/-]\d+)*(?!\w)"
"""Five digits or more, or two full stops."""


@lru_cache(maxsize=64)
def number_pattern(language: str, other: str = "") -> str:
    """A pattern with the groups EXACT (codes that look like numbers), DATE, TIME, CODE and NUMBER; one of them matches.

    Args:
        language: the language of the text; "" finds long numbers only.
        other: the other language of the pair.
    """
    if not language:
        return f"(?P<NUMBER>{_LONG_NUMBER})"
    dates = [_NUMERIC_DATE]
    if language in MONTHS and other in MONTHS:
        dates = [*_month_dates(language), *dates]
    exact = "|".join((_TIMESTAMP, _DOI, _ANGLE_OR_LENGTH, _SWISS))
    groups = {
        "DATE": f"{_START}(?:{'|'.join(dates)}){_END}",
        "TIME": f"{_START}(?:{_times(language, other)}){_END}",
        "CODE": _codes(language),
        "NUMBER": _numbers(language),
    }
    # None begins within a word: said once, it saves trying each of them at every letter.
    patterns = "|".join(f"(?P<{name}>{pattern})" for name, pattern in groups.items())
    return rf"(?<!\w)(?:(?P<EXACT>(?<![\w.,:/-])(?:{exact}))|{patterns})"


def may_have_numbers(text: str) -> bool:
    """Whether `number_pattern` can match anywhere: at a digit, or at the full stop within a file name."""
    return _DIGIT_OR_INNER_STOP.search(text) is not None


def month_number(name: str, language: str) -> int:
    """The number of a month, 1 to 12, from its name or abbreviation."""
    if name in MONTHS[language]:
        return MONTHS[language].index(name) + 1
    return MONTH_ABBREVIATIONS[language][name.rstrip(".")]


def _month_dates(language: str) -> list[str]:
    abbreviations = "|".join(MONTH_ABBREVIATIONS[language])
    month = rf"(?:{'|'.join(MONTHS[language])}|(?:{abbreviations})\b\.?)"
    if language == "de":
        return [rf"\d{{1,2}}\. ?{month}(?: \d{{4}})?"]
    day = r"\d{1,2}(?:st|nd|rd|th)?"
    return [rf"{month} {day}(?!\d)(?:,? \d{{4}})?", rf"{day} (?:of )?{month}(?:,? \d{{4}})?"]


def _times(language: str, other: str) -> str:
    if language == "de":
        # In English nothing stands for Uhr after hours and minutes.
        with_word = r"\d{1,2}[.:]\d\d ?Uhr(?!\w)|" if other == "en" else ""
        return rf"{with_word}\d{{1,2}}\.\d\d(?= ?Uhr)|\d{{1,2}}(?::\d\d)?[AaPp][Mm](?!\w)|{_CLOCK}"
    return f"{_ENGLISH_MERIDIEM}|{_CLOCK}" if language == "en" else _CLOCK


def _codes(language: str) -> str:
    versions = "".join(rf"(?<=\b{word})|" for word in _VERSION_WORDS.get(language, ())).rstrip("|")
    patterns = [
        rf"(?<![\w:.]){_IPV6}",
        rf"{_START}{_PHONE}{_END}",
        rf"(?<![\w.,]){_ordinal_guard(language)}{_MIXED}(?!\w)",
        rf"(?<![\w.-]){_FILE_NAME}(?!\w)",
        r"(?<![\w.,-])\d+(?:-\d+){3,}(?![\w-])",
        rf"(?<![\w.,-]){_SERIES}(?!\w|[.,]\d)",
        r"(?<![\w.,])\d+(?:[.:]\d+){2,}(?:/\d{1,3})?(?!\w)",
    ]
    if versions:
        patterns.append(rf"(?:{versions})\d+\.\d+(?!\w)")
    return "|".join(patterns)


def _ordinal_guard(language: str) -> str:
    """Not an ordinal, a decade or a number with its unit, which are numbers."""
    endings = "st|nd|rd|th|s" if language == "en" else "er" if language == "de" else ""
    units = "|".join([*filter(str.isalpha, _UNITS), *([endings] if endings else [])])
    return rf"(?!\d[\d.,]*(?:{units}|km/h)\b)"


def _numbers(language: str) -> str:
    unit = "|".join(sorted(_UNITS, key=len, reverse=True))
    amount = rf"[-+\u2212]?{_DIGITS}"
    patterns = [
        rf"(?<![\w.,])(?:(?:US|[AC])?[{CURRENCY_SIGNS}]|(?:{_CURRENCY_CODES})) ?{_DIGITS}(?![\w])",
        rf"(?<![\w.,]){amount}(?: ?[{CURRENCY_SIGNS}]| (?:{_CURRENCY_CODES})\b)",
        rf"(?<![\w.,]){amount} ?(?:{unit})(?!\w)",
    ]
    if language == "en":
        patterns += [r"(?<![\w.,])\d[\d,]*(?:st|nd|rd|th)(?!\w)", r"(?<![\w.,])(?:\d\d)?\d0s(?!\w)"]
    if language == "de":
        before = "|".join(rf"(?<=\b[{word[0].upper()}{word[0]}]{word[1:]} )" for word in _GERMAN_DETERMINERS)
        patterns += [rf"(?:{before})\d{{1,3}}\.(?=\s+[^\W\d_])", r"(?<![\w.,])(?:\d\d)?\d0er(?: Jahren?)?(?!\w)"]
    # Ranges and fractions, such as 10-12 and 3/4, are one number.
    patterns.append(rf"(?<![\w.,:/-]){amount}(?:[/:\u2013-]\d+)*(?!\w)")
    patterns.append(r"(?<![\w.,])\d+(?!\w)")
    return "|".join(patterns)
