"""HTML: a tokenizer that knows positions, after section 13.2.5 of the HTML standard, and entities.

The standard library's `html.parser` is not used: patch releases of Python 3.11 to 3.14 changed how it reads comments
(`--!>`), CDATA sections, script, style, title and textarea, and unclosed markup, so the same request would be answered
differently on another Python. It also does not report where an end tag ends.

The input may be plain text with a few tags, and all of it has to come through. Hence these differences from the
standard:

* Unclosed markup is text. So is a tag in which a `<` comes before the `>`, unless the `<` is in a quoted attribute
  value: `a <b and <i>c</i>`. A tag with unbalanced quotes ends at its first `>`.
* `<!`, `<?` and `</` start markup only before a letter, or as Word's conditions: `<![if …]>`, `<![endif]>`. A CDATA
  section ends at `]]>` everywhere.
* Only script, style and textarea are raw text, in which there are no tags. The text of a title is translated.
* `/>` closes any element, not only void ones.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from service.tasks.translation.text.spans import Span, SpanKind

# fmt: off
INLINE_ELEMENTS = frozenset([
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "del", "dfn", "em", "font", "i", "ins", "mark", "q", "s", "small",
    "span", "strike", "strong", "sub", "sup", "u",
])
"""Elements whose words are part of the sentence around them; the words of `code`, for example, are not."""
WORD_LIKE_ELEMENTS = INLINE_ELEMENTS | {"code", "kbd", "math", "samp", "svg", "var"}
"""Elements that take the place of a word in their sentence if they are verbatim."""
_VERBATIM_ELEMENTS = frozenset(["code", "kbd", "math", "pre", "samp", "script", "style", "svg", "textarea", "var"])
_PAGE_ELEMENTS = frozenset(["html", "body"])
"""Elements whose language is that of the page: the request says what that is."""
_RAW_TEXT_ELEMENTS = frozenset(["script", "style", "textarea"])
_VOID_ELEMENTS = frozenset([
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
])
# fmt: on

_MARKUP_START = re.compile(
    r"<(?:(?P<slash>/?)(?P<name>[A-Za-z][^ \t\n\f\r/<>]*)|(?P<comment>!--)|(?P<cdata>!\[CDATA\[)"
    r"|!\[(?i:if|endif)\b|[!?][A-Za-z])"
)
_ABRUPT_COMMENT = re.compile(r"<!---?>")
_COMMENT_END, _CDATA_END = re.compile(r"--!?>"), re.compile(r"\]\]>")
_TO_FIRST_BRACKET = re.compile(r"[^<>]*")
_UNQUOTED_ATTRIBUTES = re.compile(
    r"(?:[^<>=]++|=[ \t\n\f\r]*+(?P<value>[^ \t\n\f\r\"'<>][^ \t\n\f\r<>]*+)?+(?![\"']))*+"
)
"""Up to the end of the tag, a `<`, or the `=` before a quoted value."""
_OPENING_QUOTE = re.compile(r"=[ \t\n\f\r]*([\"'])")
_ATTRIBUTE = re.compile(
    r"([^ \t\n\f\r/>=]++)(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"([^\"]*)\"|'([^']*)'|([^ \t\n\f\r>]*)))?"
)


def find_markup(text: str, language: str | None = None) -> list[Span]:
    """The tags, comments and verbatim elements of a text, in reading order.

    Elements are verbatim by their name (`_VERBATIM_ELEMENTS`), by translate="no", by the class `notranslate`, and by a
    `lang` that is not that of the text. Takes time linear in the length of the text, whatever it holds.

    Args:
        text: any text.
        language: its language, for example `en`; None if elements in other languages are translated too.
    """
    return _merge_verbatim_elements(text, _Tokenizer(text).tokens(), language) if "<" in text else []


class Attribute(NamedTuple):
    """An attribute of a tag."""

    name: str
    """In lower case."""
    value: str
    """As it was sent, with its entities."""
    start: int
    stop: int
    """Where the value is in the text, without quotes; both are where the name ends if there is none."""


def find_attributes(text: str, tag: Span) -> Iterator[Attribute]:
    """The attributes of a start tag, in reading order."""
    for match in _ATTRIBUTE.finditer(text, tag.start + 1 + len(tag.name), tag.end - 1):
        start, stop = match.span(match.lastindex or 0) if match.lastindex != 1 else (match.end(), match.end())
        yield Attribute(match[1].lower(), text[start:stop], start, stop)


class LanguageElement(NamedTuple):
    """An element that says in which language it is."""

    start: int
    end: int
    language: str
    """Its code, without region, in lower case."""
    parent: int
    """The index of the innermost one around it; -1 if there is none."""


def find_languages(text: str, markup: Sequence[Span]) -> list[LanguageElement]:
    """The elements with `lang` that have an end tag, but for those of the whole page, in the order of their starts."""
    open_tags: list[tuple[Span, str]] = []
    open_names: Counter[str] = Counter()
    ranges: list[tuple[int, int, str]] = []
    for span in markup:
        if span.kind is SpanKind.START_TAG:
            has_language = span.name not in _PAGE_ELEMENTS and "lang" in text[span.start : span.end].lower()
            attributes = {one.name: one.value for one in find_attributes(text, span)} if has_language else {}
            open_tags.append((span, language_of(attributes)))
            open_names[span.name] += 1
        elif span.kind is SpanKind.END_TAG and open_names[span.name]:
            while True:
                opening, language = open_tags.pop()
                open_names[opening.name] -= 1
                if opening.name == span.name:
                    break
            if language:
                ranges.append((opening.start, span.end, language))
    elements: list[LanguageElement] = []
    enclosing: list[int] = []
    for start, end, language in sorted(ranges):
        while enclosing and elements[enclosing[-1]].end <= start:
            enclosing.pop()
        elements.append(LanguageElement(start, end, language, enclosing[-1] if enclosing else -1))
        enclosing.append(len(elements) - 1)
    return elements


def language_of(attributes: Mapping[str, str]) -> str:
    """The language that an element's attributes name, without its region, in lower case; "" if they name none."""
    written = attributes.get("lang") or attributes.get("xml:lang") or ""
    return re.split("[-_]", written.strip().lower())[0]


class _Tokenizer:
    """Finds tags and comments. Searches that failed are not repeated, which keeps the time linear."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._not_found: set[str] = set()
        """Patterns that do not occur in the rest of the text."""
        self._dead_ends: set[int] = set()
        """Positions after a quoted attribute value from which no end of a tag is reached."""

    def tokens(self) -> Iterator[Span]:
        """The tags and comments, in reading order."""
        position = 0
        while start := _MARKUP_START.search(self._text, position):
            token = self._token(start)
            position = token.end if token else start.start() + 1
            if token:
                yield token
                if token.kind is SpanKind.START_TAG and token.name in _RAW_TEXT_ELEMENTS:
                    position = self._end_of_raw_text(token)

    def _token(self, start: re.Match[str]) -> Span | None:
        if start["name"]:
            return self._tag(start)
        if start["comment"]:
            abrupt = _ABRUPT_COMMENT.match(self._text, start.start())
            end = abrupt or self._search(_COMMENT_END, start.end())
        elif start["cdata"]:
            end = self._search(_CDATA_END, start.end())
        else:
            return self._up_to_bracket(start, SpanKind.COMMENT)
        return Span(start.start(), end.end(), SpanKind.COMMENT) if end else None

    def _search(self, pattern: re.Pattern[str], position: int) -> re.Match[str] | None:
        if pattern.pattern in self._not_found:
            return None
        match = pattern.search(self._text, position)
        if match is None:
            self._not_found.add(pattern.pattern)
        return match

    def _end_of_raw_text(self, tag: Span) -> int:
        """The position of the end tag; the end of the start tag if there is none."""
        end = self._search(re.compile(rf"(?i)</{tag.name}(?=[ \t\n\f\r/>])"), tag.end)
        return end.start() if end else tag.end

    def _up_to_bracket(self, start: re.Match[str], kind: SpanKind, name: str = "") -> Span | None:
        """A tag or declaration that ends at the first `>`; None if a `<` comes first."""
        end = _TO_FIRST_BRACKET.match(self._text, start.end())
        assert end is not None
        if not self._text.startswith(">", end.end()):
            return None
        return Span(start.start(), end.end() + 1, kind, name)

    def _tag(self, start: re.Match[str]) -> Span | None:
        name = start["name"].lower()
        kind = SpanKind.END_TAG if start["slash"] else SpanKind.START_TAG
        attributes = self._attributes_end(start.end())
        if attributes is None:
            tag = self._up_to_bracket(start, kind, name)
            if tag is None:
                return None
            end, closes_itself = tag.end, self._text[tag.end - 2] == "/"
        else:
            end, closes_itself = attributes
        if kind is SpanKind.START_TAG and (closes_itself or name in _VOID_ELEMENTS):
            kind = SpanKind.EMPTY_TAG
        return Span(start.start(), end, kind, name)

    def _attributes_end(self, position: int) -> tuple[int, bool] | None:
        """The end of the tag whose attributes begin here, and whether it closes itself; None if there is no end."""
        text = self._text
        passed: list[int] = []
        while True:
            attributes = _UNQUOTED_ATTRIBUTES.match(text, position)
            assert attributes is not None
            end = attributes.end()
            if text.startswith(">", end):
                # The slash of <a href=x/> is part of the value.
                return end + 1, text[end - 1] == "/" and attributes.end("value") != end
            quote = _OPENING_QUOTE.match(text, end)
            closing = text.find(quote[1], quote.end()) if quote else -1
            position = closing + 1
            if closing < 0 or position in self._dead_ends:
                self._dead_ends.update(passed)
                return None
            passed.append(position)


def _merge_verbatim_elements(text: str, tokens: Iterator[Span], language: str | None) -> list[Span]:
    """Replace the tokens of each verbatim element by one span."""
    markup = list(tokens)
    tags_by_name: dict[str, list[int]] | None = None
    merged: list[Span] = []
    unclosed: set[str] = set()
    index = 0
    while index < len(markup):
        token = markup[index]
        index += 1
        if token.kind is SpanKind.START_TAG and token.name not in unclosed and _is_verbatim(text, token, language):
            if tags_by_name is None:
                tags_by_name = _tags_by_name(markup)
            closing = _closing_tag(markup, tags_by_name[token.name], index)
            if closing is None:
                unclosed.add(token.name)
            else:
                token, index = Span(token.start, markup[closing].end, SpanKind.VERBATIM, token.name), closing + 1
        merged.append(token)
    return merged


def _tags_by_name(markup: Sequence[Span]) -> dict[str, list[int]]:
    """Indices of the start and end tags of each element."""
    indices: dict[str, list[int]] = defaultdict(list)
    for index, span in enumerate(markup):
        if span.kind in (SpanKind.START_TAG, SpanKind.END_TAG):
            indices[span.name].append(index)
    return indices


def _closing_tag(markup: Sequence[Span], tags: Sequence[int], index: int) -> int | None:
    """The index of the end tag of an element whose start tag is just before `index`.

    Args:
        markup: tags and comments.
        tags: indices of the tags with the name of the element.
        index: the index of the first span to look at.
    """
    depth = 1
    for position in range(bisect_left(tags, index), len(tags)):
        depth += 1 if markup[tags[position]].kind is SpanKind.START_TAG else -1
        if not depth:
            return tags[position]
    return None


def _is_verbatim(text: str, tag: Span, language: str | None) -> bool:
    if tag.name in _VERBATIM_ELEMENTS:
        return True
    written = text[tag.start : tag.end].lower()
    if "translate" not in written and (language is None or "lang" not in written):
        return False
    attributes: dict[str, str] = {}
    for attribute in find_attributes(text, tag):
        attributes.setdefault(attribute.name, attribute.value)  # of two with one name the first counts
    own_language = language_of(attributes)
    if language and own_language and own_language != language and tag.name not in _PAGE_ELEMENTS:
        return True
    is_no = attributes.get("translate", "").strip().lower() == "no"
    return is_no or "notranslate" in attributes.get("class", "").split()
