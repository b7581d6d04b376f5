"""What belongs to a placeholder or a number without a space between them, and is copied with it.

Signs and units (`{percent}%`, `v{version}`, `-{n}`), the rest of a path or an address (`/path/{0}/x`, `{user}@x.org`),
quotation marks and brackets that enclose it alone (`"%s"`, `(5)`), and what joins it to the next (`{h}:{m}`, `5 / 3`).
A translator would lose such signs, or put them elsewhere. Punctuation of the sentence is left to it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.spans import Range, Span, SpanKind, in_reading_order

_ENCLOSED = frozenset([
    SpanKind.FORMAT_SPECIFIER, SpanKind.NUMBER, SpanKind.DATE, SpanKind.TIME, SpanKind.CODE, SpanKind.URL,
    SpanKind.EMAIL, SpanKind.HANDLE,
])  # fmt: skip
"""Kinds of spans that take their quotation marks and brackets with them."""
_ABSORBED = frozenset([SpanKind.NAME, SpanKind.UNKNOWN_SYMBOL])
"""Kinds of spans that may be attached: the `KB` of `{0}KB`, the `@` of `info@{host}`."""
_CLOSING = {
    '"': '"', "'": "'", "(": ")", "[": "]", "{": "}", "<": ">", "\u201e": "\u201c\u201d", "\u201c": "\u201d",
    "\u201d": "\u201d", "\u201a": "\u2018\u2019", "\u2018": "\u2019", "\u00ab": "\u00bb", "\u00bb": "\u00ab",
    "\u2039": "\u203a", "\u203a": "\u2039", SPECIAL_CHARACTERS["<"]: SPECIAL_CHARACTERS[">"],
}  # fmt: skip
"""The characters that may close what each of them opens."""
_STOPS = ".,!?:\u2026"
_MAX_ENCLOSING = 3
_MAX_ATTACHED = 64
"""Characters in which what is attached is searched."""

_SIGNS = "%\u2030$\u20ac\u00a3\u00a5\u20b9\u00b0\u00b2\u00b3+*#~^\u2032\u2033"
_SHORT = r"[^\W\d_]{1,3}(?!\w)"
_BEFORE_PLACEHOLDER = re.compile(
    r"(?:"
    r"(?:[\w.@~-]{0,64}/)+[\w.@~-]{0,64}"  # a path
    r"|(?<![\w.])(?:[^\W\d_]{1,3}|\w*[\d_]\w*|\w[\w.+-]*@)"
    r"|(?<![\w-])[^\W\d_]{1,2}-"
    r"|(?<!\w)[-+\u2212\u00b1~\u2248\u2264\u2265#@$\u20ac\u00a3\u00a5\u2116\u00a7=^]{1,2}"
    r")\Z"
)
_AFTER_PLACEHOLDER = re.compile(
    rf"(?:{_SHORT}|[\d_]\w*|[{_SIGNS}](?![{_SIGNS}])(?:{_SHORT})?)?"
    r"(?:@\w[\w-]*(?:\.\w[\w-]*)*|[/=&][\w.@~=&/-]*[\w/]|\.(?:[a-z]{1,5}\d?|\d+)(?![\w.])|-(?:\d+|[^\W\d_]{1,2})(?!\w))*"
)
_BEFORE_NUMBER = re.compile(r"(?<![\w])[~\u2248<>\u2264\u2265\u00b1#\u2116]=?\Z")
_AFTER_NUMBER = re.compile(r"\+(?![\w+])")
_JOINT = re.compile(r"[^\s\"()\[\]<>\u201c\u201d\u201e\u00ab\u00bb]{0,8}")
_OPERATOR = re.compile(r" (?:[/*+=<>\u00d7\u00f7\u2212-]|[<>]=) ")


def attach_signs(text: str, spans: Sequence[Span], start: int, stop: int) -> list[Span]:
    """The spans of a sentence with all that is attached to them, in reading order; some may touch then.

    Args:
        text: any text.
        spans: the spans of `text[start:stop]`, in reading order.
        start: the start of the sentence.
        stop: its end.
    """
    others = [span for span in spans if span.kind in _ABSORBED]
    spans = [span for span in spans if span.kind not in _ABSORBED] if others else spans
    ends = [start, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), stop]
    attached = [
        _attach(text, span, (ends[index], starts[index + 1])) if span.kind in _ENCLOSED else span
        for index, span in enumerate(spans)
    ]
    joined = _join(text, attached, start, stop)
    return _with_others(joined, others) if others else joined


def _with_others(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The spans, and those of the others that have not become a part of one."""
    ends = [span.end for span in spans]
    remaining = [
        other
        for other in others
        if (index := bisect_right(ends, other.start)) == len(spans) or spans[index].start >= other.end
    ]
    return in_reading_order([*spans, *remaining])


def _attach(text: str, span: Span, limits: Range) -> Span:
    """A span with the signs before and after it, and with what encloses all of them."""
    span = enclose(text, span, limits)
    low, high = max(limits[0], span.start - _MAX_ATTACHED), min(limits[1], span.end + _MAX_ATTACHED)
    patterns = None
    if span.kind is SpanKind.FORMAT_SPECIFIER:
        patterns = _BEFORE_PLACEHOLDER, _AFTER_PLACEHOLDER
    elif span.kind is SpanKind.NUMBER:
        patterns = _BEFORE_NUMBER, _AFTER_NUMBER
    if patterns is None:
        return span
    before, after = patterns[0].search(text, low, span.start), patterns[1].match(text, span.end, high)
    start = before.start() if before else span.start
    end = after.end() if after else span.end
    return enclose(text, replace(span, start=start, end=end), limits)


def enclose(text: str, span: Span, limits: Range) -> Span:
    """A span with the quotation marks and brackets that enclose it alone.

    Args:
        text: any text.
        span: of the text.
        limits: the end of the span before it, and the start of the one after it.
    """
    low, high = limits
    start, end = span.start, span.end
    for _ in range(_MAX_ENCLOSING):
        closing = _CLOSING.get(text[start - 1]) if start > low else None
        if closing is None:
            break
        after = end + (end < high and text[end] in _STOPS)
        if not (after < high and text[after] in closing):
            break
        start, end = start - 1, after + 1
    return replace(span, start=start, end=end)


def _join(text: str, spans: Sequence[Span], start: int, stop: int) -> list[Span]:
    """Spans that signs join, extended so that they touch; what encloses all of them is a part of the first and last."""
    result: list[Span] = []
    first = 0
    for index, span in enumerate(spans):
        if index and _are_joined(text, spans[index - 1], span):
            result[-1] = replace(result[-1], end=span.start)
        else:
            first = index
        result.append(span)
        if index > first and (index + 1 == len(spans) or not _are_joined(text, span, spans[index + 1])):
            limits = (
                result[first - 1].end if first else start,
                spans[index + 1].start if index + 1 < len(spans) else stop,
            )
            whole = enclose(text, replace(span, start=result[first].start), limits)
            result[first] = replace(result[first], start=whole.start)
            result[-1] = replace(span, end=whole.end)
    return result


def _are_joined(text: str, span: Span, following: Span) -> bool:
    kinds = {span.kind, following.kind}
    if not kinds <= _ENCLOSED:
        return False
    if kinds == {SpanKind.NUMBER} or SpanKind.FORMAT_SPECIFIER not in kinds:
        pattern = _OPERATOR if kinds == {SpanKind.NUMBER} else None
        return pattern is not None and pattern.fullmatch(text, span.end, following.start) is not None
    return _JOINT.fullmatch(text, span.end, following.start) is not None
