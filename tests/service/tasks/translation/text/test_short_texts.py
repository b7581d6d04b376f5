"""What short texts are cut at: labels, list marks, separators and smileys."""

from __future__ import annotations

import pytest

from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.short_texts import add_short_texts
from service.tasks.translation.text.source_text import SourceText


def cuts(text: str, language: str = "en", *, is_html: bool = False) -> str:
    """The text with brackets around what it is cut at."""
    markup = find_markup(text)
    source = SourceText.plain(text)
    if is_html:
        source, markup = SourceText.of_html(text, markup)
    own = set(add_short_texts(source.text, markup, language, is_html=is_html)) - set(markup)
    ends = {span.end for span in own}
    starts = {span.start for span in own}
    parts = [
        "\u27e6" * (index in starts) + source.sent(index, index + 1) + "\u27e7" * (index + 1 in ends)
        for index in range(len(source.text))
    ]
    return "".join(parts)


@pytest.mark.parametrize(
    "text",
    [
        # Labels.
        "Name⟦:⟧", "Name⟦ :⟧", "Name⟦\uff1a⟧ Bob", "Email address⟦:⟧ none", "Q⟦:⟧ Why?", "Step 1⟦:⟧ Open the door.",
        "Error⟦:⟧ {error}", "The names of dogs⟦:⟧", "He said⟦:⟧", "He said: I am tired.", "At 3:00 we go", "http://x.org",
        "The dog cried: Leave me alone!", "Price (net)⟦:⟧ 5", "Name⟦:⟧\nPhone⟦:⟧ 5\nI am here.", "Note, and so: a",
        # List marks.
        "⟦1)⟧ One dog", "⟦a)⟧ Open the door", "⟦(a)⟧ One dog", "⟦[x]⟧ done",
        "⟦[ ]⟧ to do", "⟦(x)⟧ yes", "⟦iv)⟧ dogs",
        "⟦0.⟧ dog", "3. May", "f(x) is here", "⟦a)⟧ apples ⟦b)⟧ pears", "We (a) go and (b) stay", "(yes) or no",
        # Separators, but in no sentence, between no numbers and within no brackets.
        "Home ⟦-⟧ My page", "Wait ⟦--⟧ I am here.", "Yes ⟦--⟧ no", "Yes ⟦/⟧ No", "Monday ⟦\u2013⟧ Friday",
        "A ⟦»⟧ B ⟦»⟧ C", "Home ⟦—⟧ News ⟦|⟧ Sport",
        "Wait - I am coming.", "I am here — and you too!", "5 - 3", "pages 5 - 10", "a well-known dog", "and/or",
        "Dogs (old - new)", "{{ a - b }}", "`x - y` here", "Files ⟦-⟧ %s",
        "One two three four five six seven - eight nine ten eleven",
        # Enumerations of things that are alike.
        "bread⟦,⟧ butter⟦,⟧ cheese and milk", "Spring⟦,⟧ summer⟦,⟧ autumn⟦,⟧ winter", "pen⟦,⟧ ink, or paper",
        "a pen⟦,⟧ an old ruler and some paper",
        "Fruit⟦:⟧ apples⟦,⟧ pears⟦,⟧ plums", "⟦1)⟧ eggs⟦,⟧ flour⟦,⟧ sugar",
        "red⟦,⟧ green, and blue", "yes, no, maybe", "ha, ha, ha", "the more, the better, the faster",
        "apples and pears", "Yes, Tom", "a big, round, red ball", "fresh, healthy and tasty food",
        "socks, shoes and a hat", "Ready, steady, go!", "1, 2, 3", "{a}, b, c",
        # Signs at either end.
        "⟦«⟧ Back", "Back ⟦»⟧", "Hello ⟦—⟧", "⟦→⟧ Next", "«Back»", "-5 degrees", "Save ⟦/⟧", "Great! ⟦»⟧",
        # Smileys.
        "Good morning ⟦:)⟧", "⟦:-)⟧ Hello", "I am tired. ⟦;-)⟧ And you?", "Good ⟦:D⟧ The dog sleeps.",
        "I love you ⟦<3⟧",
        "I am :-) happy", "at 8) we go", "Hi ⟦:)⟧.", "x:(y",
        # Subtitles.
        "⟦{\\an8}⟧Hello",
        # Code.
        "for i in range(10):", "$ ls -la | grep foo",
    ],
)  # fmt: skip
def test_cuts(text: str) -> None:
    assert cuts(text.replace("⟦", "").replace("⟧", "")) == text


@pytest.mark.parametrize(
    "text",
    [
        "Äpfel, Birnen oder Pflaumen",
        "Preis⟦:⟧ 5 €",
        "Ja ⟦/⟧ Nein",
        "Er sagte: Ich bin müde.",
        "⟦a)⟧ Öffne die Tür",
        "Der Bäcker rief: „Kommt her!“",
    ],
)
def test_cuts_of_german(text: str) -> None:
    assert cuts(text.replace("⟦", "").replace("⟧", ""), "de") == text


@pytest.mark.parametrize(
    "text",
    [
        "<p>⟦&laquo;⟧ Back</p>", "Back ⟦&raquo;⟧", "Monday ⟦&ndash;⟧ Friday", "<b>Name⟦:⟧</b> Bob",
        "Name⟦:⟧&nbsp;<b>Bob</b>",
        "Use ⟦&lt;b&gt;⟧ for bold.", "⟦&lt;br/&gt;⟧ or ⟦&lt;a href=x&gt;⟧", "5 &lt; 6 and 7 &gt; 3", "%&lt;name&gt;s",
        "<a>Home</a> ⟦-⟧ <a>My page</a>", "<p>Yes</p><p>⟦&amp;⟧ no</p>", "<a title='Name: x'>The dog</a>",
        "<p>One dog</p> - <p>Two dogs</p>",
    ],
)  # fmt: skip
def test_cuts_of_html(text: str) -> None:
    assert cuts(text.replace("⟦", "").replace("⟧", ""), is_html=True) == text
