"""Translation units: sentences with protected spans are translated as a whole, with placeholders for the spans."""

from __future__ import annotations

import io

import pytest
import sentencepiece

from service.tasks.translation.subwords import BEGIN, END, PAD, PLACEHOLDER, UNKNOWN, Subwords
from service.tasks.translation.text import RareWords, SegmentedText, segment
from tests.support.timing import assert_takes_less
from tests.support.translator_bundles import pieces_model

MAX_TOKENS = 40


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def segmented(subwords: Subwords, text: str, *, inline_tags: bool = True, is_html: bool = False) -> SegmentedText:
    result = segment(
        text, subwords, "en", MAX_TOKENS, inline_tags=inline_tags, rare_words=RareWords("en", "de"), is_html=is_html
    )
    for index, ids in enumerate(result.segments):
        assert ids.count(UNKNOWN) == len(result.protected.get(index, []))
    return result


def annotated(subwords: Subwords, text: str, *, is_html: bool = False) -> str:
    """The text with braces around its segments, and in them brackets around protected spans."""
    result = segmented(subwords, text, is_html=is_html)
    parts = []
    for index, ids in enumerate(result.segments):
        words = subwords.decode(ids)
        for span in result.protected.get(index, []):
            words = words.replace(PLACEHOLDER, f"[{span.text}]", 1)
        parts.append(f"{{{words}}}")
    return result.join(parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Words, wherever they stand.
        ("I love 李.", "{I love [李].}"),
        ("李 sleeps. I love 李!", "{[李] sleeps.} {I love [李]!}"),
        ("The cat (and Łukasz) drinks", "{The cat (and [Łukasz]) drinks}"),
        ("I love हिन्दी, not me@example.com.", "{I love [हिन्दी], not [me@example.com].}"),
        ("See https://a.de/b?c=1, I love it", "{See [https://a.de/b?c=1], I love it}"),
        (f"I {'ab' * 90} you", f"{{I [{'ab' * 90}] you}}"),
        ("The <code>cat()</code> sleeps", "{The [<code>cat()</code>] sleeps}"),
        ("The <b translate=no>big <i>cat</i></b> sleeps", "{The [<b translate=no>big <i>cat</i></b>] sleeps}"),
        # A text that is one quotation gets the quotation marks of the target language.
        ('"The dog"', "„{The dog}“"),
        (' "The dog sleeps. Is it big?"\n', " „{The dog sleeps.} {Is it big?}“\n"),
        ('"<b>The dog</b>"', "„<b>{The dog}</b>“"),
        ('"李"', "„李“"),
        # Signs, between words only.
        ("I love 😀 you 😀!", "{I love [😀] you} 😀!"),
        ("😀 I love 👩🏽\u200d🚀 you", "😀 {I love [👩🏽\u200d🚀] you}"),
        ("12 😀 I love 😀 12.", "{[12 😀] I love [😀 12].}"),
        ("I love you ❤\ufe0f", "{I love you} ❤\ufe0f"),
        ("I love 李 😀", "{I love [李]} 😀"),
        ("Good morning 😀 How are you?", "{Good morning} 😀 {How are you?}"),
        ("I 😀 Tom <b>and 😀 You</b>", "{I [😀] Tom} <b>{and} 😀 {You}</b>"),
        ("THE DOG 😀 SLEEPS", "{The dog [😀] sleeps}"),
        ("R &amp; D", "{R [&amp;] D}"),
        # Neighbours are one.
        ("I love 😀 😀\u200d😀 you", "{I love [😀 😀\u200d😀] you}"),
        ("I love 李 小龙, 王😀 and you", "{I love [李 小龙], [王😀] and you}"),
        ("I love 李😀", "{I love [李]}😀"),
        # Numbers, handles, what programs fill in.
        ("I love 01234 567890 and 192.168.0.1", "{I love [01234 567890] and [192.168.0.1]}"),
        ("The 3.11.2 and 1,234,567, the 2026-11-21", "{The [3.11.2] and [1.234.567], the [2026-11-21]}"),
        ("The 12 and 15:45 and 1984 and 3.5", "{The [12] and [15:45] and [1984] and [3,5]}"),
        ("I love @you_2 and #the", "{I love [@you_2] and [#the]}"),
        ("I love {name} and %s and {} and 5", "{I love [{name}] and [%s] and [{}] and [5]}"),
        # Nothing but protected spans, or too many of them.
        ("李", "李"),
        ("Привет, мир 12! 😀", "Привет, мир 12! 😀"),
        ("李, 王, 周 and you", "李, 王, {[周] and you}"),
        ("李, 王 and you", "李, {[王] and you}"),
        # What is no part of a sentence.
        ("- 李 sleeps\n- I love 李\n\n李", "- {[李] sleeps}\n- {I love [李]}\n\n李"),
        ("The 李 <br> <u-x>cat 😀</u-x>", "{The [李]} <br> <u-x>{cat} 😀</u-x>"),
        ("The <p translate=no>big</p> <pre>cat</pre> sleeps", "{The} <p translate=no>big</p> <pre>cat</pre> {sleeps}"),
        ("The <code>cat, the <!-- 李 --> dog", "{The} <code>{cat, the} <!-- 李 --> {dog}"),
        ("A \ufffc sign", "{A [\ufffc] sign}"),
    ],
)  # fmt: skip
def test_protected_spans_within_sentences(subwords: Subwords, text: str, expected: str) -> None:
    assert annotated(subwords, text) == expected


def test_an_unknown_that_is_no_placeholder_splits_its_sentence(subwords: Subwords) -> None:
    result = segment("The half \ud83d sleeps 李", subwords, "en", MAX_TOKENS, rare_words=RareWords("en", "de"))
    assert (result.protected, result.separators) == ({}, ["", " 李"])


@pytest.mark.parametrize(
    ("text", "expected", "tags"),
    [
        ("The <b>big 李</b> sleeps.", "{The big [李] sleeps.}", ["<b>"]),
        ("<b>Tom</b> and 李 <i>sleep, 王</i>", "{Tom and [李] sleep, [王]}", ["<b>", "<i>"]),
        ("The <b>dog 😀</b>", "{The dog [😀]}", ["<b>"]),
        # An element that holds nothing else is protected with its tags.
        ("The <b>李</b> sleeps", "{The [<b>李</b>] sleeps}", []),
        ("The <b> <i>😀</i>王 </b>李 sleeps", "{The [<b> <i>😀</i>王 </b>李] sleeps}", []),
        ("See <a href='x'>https://a.de</a> and you", "{See [<a href='x'>https://a.de</a>] and you}", []),
        ("The cat <b>😀</b>", "{The cat} <b>😀</b>", []),
        # Those around all of it are protected over, and what is no element parts it.
        ("<b>The 李</b>", "<b>{The [李]}</b>", []),
        ("The <b>李</i> cat", "{The} <b>李</i> {cat}", []),
        ("The <b></b>李</b> cat", "{The} <b></b>李</b> {cat}", []),
    ],
)
def test_inline_tags(subwords: Subwords, text: str, expected: str, tags: list[str]) -> None:
    assert annotated(subwords, text) == expected
    assert [tag.opening for tag in segmented(subwords, text).inline_elements.get(0, [])] == tags


def test_tokens_of_a_tag_beside_a_placeholder(subwords: Subwords) -> None:
    result = segmented(subwords, "李 and <b>the 王 cat</b> sleeps")
    (element,) = result.inline_elements[0]
    pieces = [subwords.piece(id_) for id_ in result.segments[0]]
    assert pieces[element.first : element.end] == ["▁the", "▁", "<unk>", "▁cat"]


def test_without_attention_tags_split_a_sentence(subwords: Subwords) -> None:
    result = segmented(subwords, "The 李 <b>cat</b>", inline_tags=False)
    assert (result.separators, result.protected[0][0].text) == (["", " <b>", "</b>"], "李")


def test_html(subwords: Subwords) -> None:
    assert annotated(subwords, "I love\n李&lt;😀&nbsp;and <code>&lt;a&gt;</code>", is_html=True) == (
        "{I love [李]<[😀] and [<code>&lt;a&gt;</code>]}"
    )
    keys = "The <kbd>Ctrl</kbd>+<kbd>C</kbd> dog"
    assert annotated(subwords, keys, is_html=True) == "{The [<kbd>Ctrl</kbd>+<kbd>C</kbd>] dog}"
    assert annotated(_letters_only(), "a &amp; b aa &lt;bb&gt; a", is_html=True) == ("{a [&amp;] b aa [&lt;bb&gt;] a}")
    assert annotated(_letters_only(), "aa a &lt; b", is_html=True) == "{aa [a &lt; b]}"


def _letters_only() -> Subwords:
    """A vocabulary without the special characters of HTML."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b", "b a"] * 9),
        model_writer=model,
        model_type="bpe",
        vocab_size=8,
        pad_id=PAD,
        unk_id=UNKNOWN,
        bos_id=BEGIN,
        eos_id=END,
        minloglevel=2,
    )
    return Subwords(model.getvalue())


def test_parts_of_long_sentences_share_the_placeholders(subwords: Subwords) -> None:
    names = [chr(0x4E00 + number) for number in range(30)]
    text = "".join(f"the dog and {name}, " for name in names)
    result = segmented(subwords, text)
    assert len(result.segments) > 2
    assert [span.text for index in sorted(result.protected) for span in result.protected[index]] == names

    result = segmented(subwords, f"{text}<b>the cat and 王</b>.")
    assert (result.separators[-2:], result.inline_elements) == ([" <b>", "</b>."], {})
    assert [span.text for index in sorted(result.protected) for span in result.protected[index]] == [*names, "王"]


def test_whether_a_protected_text_follows_a_word(subwords: Subwords) -> None:
    (texts,) = segmented(subwords, "The dog😀 and 😀 李 sleep").protected.values()
    assert [text.follows_word for text in texts] == [True, False]


@pytest.mark.parametrize(
    "unit",
    [
        "😀", "a😀", "a 😀 ", "a 李 ", "李 ", "<b>李", "<b>李</b> a ", "</b>李", "<b>😀</b>", "<b>", "</b>", "\u200da",
        "<b><i>李</b> a ", "李😀", "<code>a</code> a ", "a <br>李 ", "<b>a</b> <br> 😀 ", "&amp;a", "a. 李 ",
        "1,", "1.", "1-", "1:", "1/", "a-", "A1-", "a.b-", "0 ", "May 1 ",
        "$1", "-1 ", "A ", "AB ", "Agnieszka ", "Agnieszka's ", "Agnieszka-", "12345678",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(subwords: Subwords, unit: str) -> None:
    half = unit * (7_000 // len(unit))
    text = f"{half} a {half}"
    rare_words = RareWords("en", "de")
    assert_takes_less(lambda: segment(text, subwords, "de", MAX_TOKENS, inline_tags=True, rare_words=rare_words), 0.7)
