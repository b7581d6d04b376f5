"""Numbers and days that are written as words, in English and German: in training typed placeholders stand for some.

Sentence collections write most numbers in words, and hardly any date. `three` and `on Monday` stand where `3` and
`on May 3` would.
"""

from collections.abc import Mapping
from types import MappingProxyType

_NUMBERS = """
two zwei, three drei, four vier, five fünf, six sechs, seven sieben, eight acht, nine neun, ten zehn, eleven elf,
twelve zwölf, thirteen dreizehn, fourteen vierzehn, fifteen fünfzehn, sixteen sechzehn, seventeen siebzehn,
eighteen achtzehn, nineteen neunzehn, twenty zwanzig, thirty dreißig, forty vierzig, fifty fünfzig, sixty sechzig,
seventy siebzig, eighty achtzig, ninety neunzig
"""
_DAYS = """
Monday Montag, Tuesday Dienstag, Wednesday Mittwoch, Thursday Donnerstag, Friday Freitag, Saturday Samstag,
Sunday Sonntag
"""


def written_out(source: str, target: str) -> Mapping[str, tuple[str, str]]:
    """The type of the placeholder, and the word of the target language, by words of the source language.

    Args:
        source: ISO 639-1.
        target: ISO 639-1.
    """
    words: dict[str, tuple[str, str]] = {}
    for kind, table in (("number", _NUMBERS), ("date", _DAYS)):
        for entry in table.split(","):
            english, german = entry.split()
            words |= {("en", "de"): {english: (kind, german)}, ("de", "en"): {german: (kind, english)}}.get(
                (source, target), {}
            )
    return MappingProxyType(words)
