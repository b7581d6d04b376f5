"""Rare words: numbers, dates, codes and names are result, and written in the notation of the target language."""

from __future__ import annotations

import pytest

from service.tasks.translation.text.rare_words import align, find_rare_words, target_text


def result(text: str, source: str, target: str) -> dict[str, str]:
    """What becomes of each rare word of a text."""
    spans = find_rare_words(text, source, target)
    return {text[span.start : span.end]: target_text(text, span, source, target) for span in spans}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 49.99 euros, or 1,000, or 1,234,567.50.", {
            "49.99": "49,99", "1,000": "1.000", "1,234,567.50": "1.234.567,50"}),
        ("In 1984, 12 of 5000 were 7.", {"1984": "1984", "12": "12", "5000": "5000", "7": "7"}),
        ("$250. £199.99? Or 5 €. US$1,000", {
            "$250": "250 $", "£199.99": "199,99 £", "5 €": "5 €", "US$1,000": "1.000 US$"}),
        ("$1.5 million, $5/month, €5-10 or USD 250", {
            "$1.5": "$1,5", "$5": "$5", "€5": "€5", "10": "10", "USD 250": "USD 250"}),
        ("$1 000", {"$1": "$1", "000": "000"}),
        ("15% of 72.5kg at -12 °C and 10.5 km/h", {
            "15%": "15%", "72.5kg": "72,5kg", "-12 °C": "-12 °C", "10.5 km/h": "10,5 km/h"}),
        ("12/25/2024, 25.12.2024, 2024-12-25", {
            "12/25/2024": "12/25/2024", "25.12.2024": "25.12.2024", "2024-12-25": "2024-12-25"}),
        ("Born on May 5th, 1987, or 14 October.", {"May 5th, 1987": "5. Mai 1987", "14 October": "14. Oktober"}),
        ("At 7:30, 5 pm, 7:15 a.m. or 12 p.m.", {
            "7:30": "7:30", "5 pm": "17 Uhr", "7:15 a.m.": "7:15 Uhr", "12 p.m": "12 Uhr"}),
        ("The 1st and the 22nd of the 1990s", {"1st": "1.", "22nd": "22.", "1990s": "1990er Jahren"}),
        ("Call 0171 2345678 or +49 89 123456.", {"0171 2345678": "0171 2345678", "+49 89 123456": "+49 89 123456"}),
        ("LH 440, M-AB 1234, A-10482, X7kQ-92", {one: one for one in ("LH 440", "M-AB 1234", "A-10482", "X7kQ-92")}),
        ("report_2.pdf and notes.txt, H2O, B 213", {
            one: one for one in ("report_2.pdf", "notes.txt", "H2O", "B 213")}),
        ("version 2.4 or 2.4.1, 192.168.0.1", {one: one for one in ("2.4", "2.4.1", "192.168.0.1")}),
        ("A 3-year-old and I 5 times", {"3": "3", "5": "5"}),
    ],
)  # fmt: skip
def test_from_english(text: str, expected: dict[str, str]) -> None:
    assert result(text, "en", "de") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("49,99 Euro, 80.000 oder 1.234,5", {"49,99": "49.99", "80.000": "80,000", "1.234,5": "1,234.5"}),
        ("Um 19.30 Uhr oder 7:45 Uhr.", {"19.30 Uhr": "19:30", "7:45 Uhr": "7:45"}),
        ("Am 3. Mai 1987 und am 25.12.2024.", {"3. Mai 1987": "May 3, 1987", "25.12.2024": "25.12.2024"}),
        ("Vom 5. bis zum 19. August, im 3. Stock.", {"5.": "5th", "19. August": "August 19", "3.": "3rd"}),
        ("Es sind 3. In den 1990er Jahren", {"3": "3", "1990er Jahren": "1990s"}),
        ("Version 2.4, 15 %, 850 €", {"2.4": "2.4", "15 %": "15 %", "850 €": "€850"}),
        (
            "1.299,50 $, ein 5 €-Schein, 10 000 €",
            {"1.299,50 $": "$1,299.50", "5 €": "5 €", "10": "10", "000 €": "000 €"},
        ),
    ],
)
def test_from_german(text: str, expected: dict[str, str]) -> None:
    assert result(text, "de", "en") == expected


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("It costs $5.", "en", "5 $"), ("($5)", "en", "5 $"), ("$5 a day", "en", "5 $"),
        ("For $5, or not", "en", "5 $"),
        ("It costs £0.99!", "en", "0,99 £"), ("Das kostet 5 €.", "de", "€5"), ("5€ am Tag", "de", "€5"),
        *((text, "en", "$5") for text in (
            "$5-$10", "$5\u2013$10", "$5 million", "$5 MILLION", "$5 trillion", "$5+", "$5 or 6 million", "$5 and $10",
            "$5^2", "CAD $5", "$5 USD", "US $5", "$5/month", "3*$5", "$5 <b>million</b>", "$5 000", "$5 ½",
        )),
        ("echo $0", "en", "$0"),
        *((text, "de", "10 €") for text in (
            "5 bis 10 €", "5 \u2013 10 €", "5, 10 €", "5 oder 10 €", "10 € bis 20 €", "10 €-Schein", "10 € Milliarden",
        )),
    ],
)  # fmt: skip
def test_a_currency_sign_is_moved_only_beside_a_whole_amount(text: str, source: str, expected: str) -> None:
    assert expected in result(text, source, "en" if source == "de" else "de").values()


def test_without_month_names_the_digits_of_a_date_are_found() -> None:
    assert result("On May 3, 1987", "en", "fr") == {"3": "3", "1987": "1987"}
    assert result("It costs 1,234.50", "en", "fr") == {"1,234.50": "1\u202f234,50"}
    assert result("It costs 1,234.50", "en", "eo") == {"1,234.50": "1,234.50"}


def test_align_finds_what_both_sides_say() -> None:
    source, target = "On May 3, 1987, 12 of 4,200 came.", "Am 3. Mai 1987 kamen zwölf von 4200."
    aligned = align(source, find_rare_words(source, "en", "de"), target, ("en", "de"))
    assert [(source[span.start : span.end], target[slice(*index)]) for span, index in aligned] == [
        ("May 3, 1987", "3. Mai 1987"),
        ("4,200", "4200"),
    ]
