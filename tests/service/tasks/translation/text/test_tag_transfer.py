"""Tag transfer: sentences with inline tags are translated as a whole, and the tags put around the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.decoding import Hypothesis
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import SegmentedText, segment
from service.tasks.translation.text.tag_transfer import InlineElement
from tests.support.translator_bundles import pieces_model

MAX_TOKENS = 40


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def annotated(subwords: Subwords, text: str) -> str:
    """The text with braces around its segments, and in them brackets around the tokens of inline tags."""
    result = segment(text, subwords, "en", MAX_TOKENS, inline_tags=True)
    return result.join([_segment(subwords, result, index) for index in range(len(result.segments))])


def _segment(subwords: Subwords, result: SegmentedText, index: int) -> str:
    ids = result.segments[index]
    marks: dict[int, str] = {}

    def mark(tags: Sequence[InlineElement]) -> None:
        for tag in tags:
            marks[tag.first] = marks.get(tag.first, "") + "["
            mark(tag.children)
            marks[tag.end] = marks.get(tag.end, "") + "]"

    mark(result.inline_elements.get(index, []))
    pieces = [marks.get(number, "") + subwords.piece(id_).replace("▁", " ") for number, id_ in enumerate(ids)]
    return "{" + re.sub(r"(\[+) ", r" \1", "".join([*pieces, marks.get(len(ids), "")])).strip() + "}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The <b>dog</b> sleeps.", "{The [dog] sleeps.}"),
        ("<b>The dog</b> sleeps.", "{[The dog] sleeps.}"),
        ('The <a href="?a=1&b=2">big dog</a>.', "{The [big dog].}"),
        ('The <a title="a > b" href=https://a.de/>dog</a> sleeps.', "{The [dog] sleeps.}"),
        ("The <B class=x >dog</b> sleeps. I <i>love</i> you!", "{The [dog] sleeps.} {I [love] you!}"),
        ("The<b> dog </b>sleeps.", "{The [dog] sleeps.}"),
        ("The <b><i>big</i> dog</b> sleeps.", "{The [[big] dog] sleeps.}"),
        ("The <b>dog <i>and</i></b> the <u>cat</u>", "{The [dog [and]] the [cat]}"),
        ("The d<b>o</b>g sleeps", "{The [dog] sleeps}"),
        ("I love H<sub>2</sub>O, not <b>12</b>.", "{I love H[2]O, not [12].}"),
        ("I love <b>#<i>dog</i></b> you", "{I love} <b>#<i>{dog}</i></b> {you}"),
        # What stands around all that is translated together is protected over.
        ("<b>The dog.</b>", "<b>{The dog.}</b>"),
        ("<span>The <b>dog</b> sleeps</span>!", "<span>{The [dog] sleeps}</span>!"),
        ("<p>The <b>dog</b></p><p>The cat</p>", "<p>{The [dog]}</p><p>{The cat}</p>"),
        ("<b><i>The dog</i></b>", "<b><i>{The dog}</i></b>"),
        # What is no element of the sentence parts it.
        ("The <b>dog sleeps.", "{The} <b>{dog sleeps.}"),
        ("The dog</b> sleeps.", "{The dog}</b> {sleeps.}"),
        ("The <b>big <i>dog</b> sleeps</i>.", "{The} <b>{big} <i>{dog}</b> {sleeps}</i>."),
        ("The <u-x>dog</u-x> <b>not</b> you", "{The} <u-x>{dog}</u-x> {[not] you}"),
        ("The <b>big 😀 dog</b> sleeps", "{The} <b>{big} 😀 {dog}</b> {sleeps}"),
        ("The <b>big<br>dog</b> sleeps", "{The} <b>{big}<br>{dog}</b> {sleeps}"),
        ("The <b></b> dog <i> - </i> sleeps", "{The} <b></b> {dog} <i> - </i> {sleeps}"),
        ("The <b>dog. The</b> cat.", "{The} <b>{dog.} {The}</b> {cat.}"),
    ],
)  # fmt: skip
def test_units_with_inline_tags(subwords: Subwords, text: str, expected: str) -> None:
    assert annotated(subwords, text) == expected


@pytest.mark.parametrize(
    "verbatim",
    [
        "<code>the dog. I love</code>", "<CODE class=x>the\nI</code >", "<pre>\nThe dog\n\nThe cat\n</pre>",
        "<script>if (a<b) you = '</b>' // The dog. The cat</script>", "<style>a</style>",
        "<var>a<var>b</var> the</var>", "<code>a<code/>b</code>",
        '<span class="h-card" translate="no"><a href="#">@<span>you</span></a></span>', "<p translate='no'>the dog</p>",
        "<b lang=en translate = no>dog</b>", '<i class="a notranslate">dog</i>',
    ],
)  # fmt: skip
def test_verbatim_elements(subwords: Subwords, verbatim: str) -> None:
    for is_html in (False, True):
        result = segment(
            f"The <b>cat</b> {verbatim} sleeps", subwords, "en", MAX_TOKENS, inline_tags=True, is_html=is_html
        )
        assert result.separators == ["", f" {verbatim} ", ""]


@pytest.mark.parametrize(
    "text",
    [
        "<code>dog", "<code>dog</pre>", "<codes>dog</codes>", "<code/>dog</code>", "<code><code>dog</code>",
        '<b translate="not">dog</b>', "<p translate>dog</p>", "<i translate=yes>dog</i>", '<i translate="no"/>dog</i>',
        '<i class="nontranslate">dog</i>',
    ],
)  # fmt: skip
def test_elements_that_are_not_verbatim(subwords: Subwords, text: str) -> None:
    result = segment(text, subwords, "en", MAX_TOKENS)
    assert [subwords.decode(ids) for ids in result.segments] == ["dog"]


def test_html(subwords: Subwords) -> None:
    text = "<p>I&nbsp;love\nthe&#32;d&#x6f;g &amp; the &lt;cat&gt; &quot;not&quot; &eacute;&unknown; R&D.</p>"
    result = segment(text, subwords, "en", MAX_TOKENS, inline_tags=True, is_html=True)
    words = [result.format_words(index, subwords.decode(ids)) for index, ids in enumerate(result.segments)]
    assert result.join([f"{{{part}}}" for part in words]) == (
        '<p>{I love the dog and the &lt;cat&gt; "not" é}&unknown; {R&amp;D.}</p>'
    )
    markup = (
        '<a title="&quot;the&quot; &amp; &lt;" href="?a&amp;b">the</a> <script>"&quot;&nbsp;"</script> <!-- &quot; -->'
    )
    result = segment(f"I love {markup}", subwords, "en", MAX_TOKENS, inline_tags=True, is_html=True)
    assert (result.inline_elements[0][0].opening, result.separators) == (
        markup.split("the</a>")[0],
        ["", markup.split("</a>")[1]],
    )
    protected = "12 &amp; 34 &lt;!-- &hearts;&#0; & 5"
    assert segment(protected, subwords, "en", MAX_TOKENS, is_html=True).separators == [
        "12 &amp; 34 &lt;!-- &hearts;&#0; & 5"
    ]
    assert segment("The dog\nI love", subwords, "en", MAX_TOKENS, is_html=True).separators == ["", ""]


def test_long_sentences_and_deeply_nested_ones_are_split_at_their_tags(subwords: Subwords) -> None:
    dogs = "the dog and " * 13
    assert annotated(subwords, f"{dogs}<b>the cat</b>") == f"{{{dogs.strip()}}} <b>{{the cat}}</b>"
    deep = "<b>" * 1_000 + "the dog" + "</b>" * 1_000
    assert annotated(subwords, f"I love {deep}") == "{I love} " + deep.replace("the dog", "{the dog}")


def test_without_tag_transfer_tags_split_the_sentence(subwords: Subwords) -> None:
    assert segment("The <b>dog</b>", subwords, "en", MAX_TOKENS).separators == ["", " <b>", "</b>"]


def restored(subwords: Subwords, text: str, target: str, attended: Sequence[Sequence[int]]) -> str:
    """The restored text of a translation, each token of which attended equally to the given source tokens."""
    result = segment(text, subwords, "en", MAX_TOKENS, inline_tags=True)
    (ids,) = result.segments
    tokens = subwords.encode(target)
    attention: NDArray[np.float32] = np.zeros((len(tokens) + 1, len(ids) + 1), np.float32)
    attention[-1, -1] = 1
    for row, positions in zip(attention[:-1], attended, strict=True):
        row[list(positions)] = 1 / len(positions)
    return result.join([result.restore(0, Hypothesis(tuple(tokens), -1.0, attention), subwords, subwords)])


@pytest.mark.parametrize(
    ("text", "target", "attended", "expected"),
    [
        ("the <b>dog</b> sleeps", "der Hund schläft", [[0], [1], [2]], "der <b>Hund</b> schläft"),
        ("<b>the dog</b> sleeps", "der Hund schläft", [[0], [1], [2]], "<b>der Hund</b> schläft"),
        # Another order, and an element's words apart: around what is most of it.
        ("I <b>not</b> love <i>you</i>", "du liebe ich nicht", [[3], [2], [0], [1]],
         "<i>Du</i> liebe ich <b>nicht</b>"),
        ("the <b>big dog</b> sleeps", "groß der Hund schläft", [[1], [0], [2], [3]], "<b>groß</b> der Hund schläft"),
        ("the <b>big big dog</b> sleeps", "groß der Hund Hund", [[1], [0], [2], [3]], "groß der <b>Hund Hund</b>"),
        # Within one another, and side by side around the same words.
        ("the <b>big <i>dog</i></b> not", "der Hund groß nicht", [[0], [2], [1], [3]],
         "der <b><i>Hund</i> groß</b> nicht"),
        ("<b>the</b> <i>dog</i> not", "Hund", [[0, 1]], "<b>Hund</b><i></i>"),
        # Nothing attended to it: around what did most.
        ("the <b>dog</b> sleeps", "der schläft", [[0], [2, 2, 1]], "der <b>schläft</b>"),
        # A word is never torn, and punctuation stays out.
        ("the <b>dog</b>.", "der Hab.", [[0], [1], [0], [0], [2]], "der <b>Hab</b>."),
        ("I love <b>you</b>, Tom", "", [], "<b></b>"),
        ("THE <b>DOG AND</b> CAT", "der groß Hund", [[0], [1], [3]], "DER <b>GROSS</b> HUND"),
    ],
)  # fmt: skip
def test_where_tags_are_put(
    subwords: Subwords, text: str, target: str, attended: Sequence[Sequence[int]], expected: str
) -> None:
    assert restored(subwords, text, target, attended) == expected


def test_no_attention_loses_a_tag_or_word(subwords: Subwords) -> None:
    random = np.random.default_rng(0)
    text = "<u>the <b>big <i>dog</i></b> and</u> <s>the <b>cat</b></s> not <i>you</i>"
    result = segment(text, subwords, "en", MAX_TOKENS, inline_tags=True)
    (ids,) = result.segments
    space = next(id_ for id_ in range(subwords.size) if subwords.piece(id_) == "▁")
    for _ in range(300):
        pieces = [*subwords.encode("der große Hund und Katze, nicht du!"), space, space]
        tokens = random.choice(pieces, random.integers(0, 9)).tolist()
        attention = random.dirichlet(np.full(len(ids) + 1, 0.1), len(tokens) + 1).astype(np.float32)
        answer = result.join([result.restore(0, Hypothesis(tuple(tokens), -1.0, attention), subwords, subwords)])
        opened: list[str] = []
        words = answer
        for tag in ("<u>", "</u>", "<b>", "</b>", "<i>", "</i>", "<s>", "</s>"):
            assert answer.count(tag) == text.count(tag)
            words = words.replace(tag, "")
        assert words == subwords.decode(tokens)
        for part in answer.replace(">", "<").split("<")[1::2]:
            if part.startswith("/"):
                assert opened.pop() == part[1:], answer
            else:
                opened.append(part)
        assert not opened
