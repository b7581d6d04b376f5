"""Tokenizer of English text, by the rules of the Universal Dependencies treebank English EWT (2.16).

Words are substrings of the text: the words of a chunk (a run without white space) joined are the chunk.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from service.text.characters import MARKS
from service.text.lines import PARAGRAPH_BREAK

_MAX_CACHED_LENGTH = 32
"""Longer chunks are rare and not cached, which bounds the memory of the cache."""


def _any(words: str) -> str:
    """A pattern that matches one of the words."""
    return "(?:" + "|".join(map(re.escape, words.split())) + ")"


_ABBREVIATIONS = _any(
    "Mr Mrs Ms Messrs Dr Prof St Ft Mt Gen Sen Rep Reps Gov Lt Col Sgt Capt Maj Rev Hon Pres Jr Sr vs Inc Ltd Co Corp"
    " Bros Dept Attn Ave Blvd Rd Vol Ph Esp esp eg ie cf approx"
    " Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun"
)
_FINAL_ABBREVIATIONS = _any("etc a.m p.m A.M P.M info mins yrs al")
_UNITS = _any(
    "am pm AM PM a.m p.m k K m M mm MM b B bn BN kg Kg g lb lbs ft cm km mg ml mi mph hr hrs min mins sec secs yr yrs"
    " GB MB"
)
_FILES = _any("com org net edu gov doc xls ppt pdf txt html htm jpg gif png zip exe url")
_PREFIXES = _any(
    "anti co counter cross e ex intra macro mega micro mid mini multi neo non over post pre pro pseudo psycho re semi"
    " socio sub super trans ultra un"
)
_CONTRACTIONS = {  # second part: first parts
    "not": "can",
    "na": "gon wan",
    "ta": "got",
    "nt": "do did does ca wo is are was were could would should have has had ai",
    "m": "i",
    "ve": "i they",
    "re": "you they",
    "ll": "you",
    "s": "that what there he she",
}
_SPLIT_POSITIONS = {first + second: len(first) for second, firsts in _CONTRACTIONS.items() for first in firsts.split()}
"""Where words written together are split: `cannot` after 3 letters."""
_WITH_SYMBOLS = _any("w/o w/out l/c L/C b/t n/a N/A I/C I/S Yahoo! #'s")
_CLITICS = "(?i:s|m|d|ll|ve|re)"

_QUOTE = "['\u2019`]"
_ACCENTS = "\u0300-\u036f"  # where Latin letters are written decomposed
_W = rf"[\w{MARKS}\u00ad]"  # soft hyphens are inside words
_LETTER = rf"(?:[^\W\d_][{_ACCENTS}]*)"
_A = rf"\w{_ACCENTS}"
_START = rf"(?<![{_A}])"  # no word character before
_END = rf"(?![{_A}])"  # no word character after
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"

_RULES = (
    # can not, gon na, and the misspelled do nt, I m, that s: the first part.
    "|".join(
        f"{spelling[:position]}(?={spelling[position:]}{_END})"
        for word, position in _SPLIT_POSITIONS.items()
        for spelling in (word, word.capitalize(), word.upper())
    ),
    # URLs, without the punctuation after them.
    rf"(?:https?://|ftp://|mailto:|www\.)[^\s<>\"]*[\w/{_ACCENTS}]",
    # Plain words.
    r"[A-Za-z]++(?=[\s,;:?)\]\"]|\Z)",
    # E-mail addresses, even me...@example.com and name@COMPANY.
    rf"(?<![{_A}.+%-])\w[{_A}.+%-]{{0,63}}+@\w[{_A}-]{{0,62}}(?:\.\w[{_A}-]{{0,62}}){{0,8}}",
    # @name, #topic.
    rf"{_START}[@#]{_LETTER}{_W}*",
    # Hosts, files, newsgroups: example.com, report.doc, comp.mail.maps.
    rf"(?<![{_A}.~#%-])[\w-][{_A}.~#%-]{{0,63}}\.(?i:{_FILES}){_END}",
    rf"\.{_FILES}{_END}",
    rf"{_START}[a-z]{{2,20}}(?:\.[a-z]{{2,20}}){{2,8}}{_END}",
    # Lines drawn with symbols; arrows.
    r"(?<!\S)[-=+*~_|<>{}]{3,}(?!\S)",
    r"<[-=]+>?|[-=]+>",
    # :-) (: <3 ^_^
    rf"{_START}(?:>?[:;=][-o^']?[()\[\]DPpOo/\\|*3]{_END}|\(:|<3|\^_?\^|[xX]D{_END})",
    # Flags; emoji with skin tones and joiners.
    rf"[\U0001f1e6-\U0001f1ff]{{2}}|{_EMOJI}(?:\u200d{_EMOJI})*",
    # ... ?! !!! -- === << and other runs of one symbol.
    r"\.{2,}|…+\.*|[!?]+[.!?]*|\.[!?]+|([-=*~_+#<>$|)'\u2019\u2018`\",])\1+|\u2018\u2019",
    # 11/28/2000, 9/11, 11-28-2000; but 1 / 2 and 24 / 7.
    rf"{_START}(?:\d\d?([/-])\d\d?\2(?:\d\d){{1,2}}|(?:0?[1-9]|1[0-2])/(?:[0-2]\d|3[01])){_END}(?![/-]\d)",
    # 1-713-853-3989, 713/853-3989, 853-3989, x3-3989, 77042-2016; but 1969 - 1970.
    rf"{_START}(?:(?:\d-)?(?:\d{{3}}[-/])?\d{{3}}-\d{{4}}|[xX]?\d-\d{{4}}|\d{{5}}-\d{{4}}){_END}(?!-\d)",
    # 5 kg, 10.5 M, 7:30 pm: the number.
    rf"\d+(?:[.,:]\d+)*(?={_UNITS}{_END})",
    # '72, '60s, 1990's.
    rf"{_START}{_QUOTE}\d\ds?{_END}|{_START}\d{{2,4}}{_QUOTE}s{_END}",
    # 3,000.5, 7:30, .5, +44; 20th and 1990s are left to the rule for words.
    rf"{_START}\.\d+{_END}|\+?\d+(?:[.,:]\d+)*{_END}|\d+(?:[.,:]\d+)+",
    # etc. and p.m., unless a sentence begins after it.
    rf"{_FINAL_ABBREVIATIONS}\.(?=\s*[^\sA-Z\"'\u201c.])",
    # U.S. but, at the end of a paragraph, U.S and its full stop.
    rf"{_START}(?![AaPp]\.[Mm]\.)(?:{_LETTER}\.){{2,}}(?!{_LETTER})(?![\s\"')\]]*\Z)"
    rf"|{_START}(?:{_LETTER}\.)+{_LETTER}{_END}",
    # Mr. and the like; any short word before a comma; No. 5.
    rf"(?=[A-Za-z]{{2,7}}\.){_ABBREVIATIONS}\.(?=\s*\S)|{_START}{_LETTER}{{1,5}}\.(?=[,;])|[Nn]o\.(?=\s*\d)",
    # W. Bush.
    rf"{_START}[A-HJ-Z]\.(?=\s*[A-Za-z])",
    # AT&T, P&L.
    rf"[A-Za-z]{{1,4}}&[A-Za-z]{{1,2}}{_END}",
    # w/o and other words with a symbol inside.
    rf"(?:{_WITH_SYMBOLS}){_END}|[A-Z]{{1,2}}\$",
    # non-human, mid-1990s; other hyphens are words of their own.
    rf"(?=[A-Za-z]{{1,7}}-)(?i:{_PREFIXES})-{_W}+{_END}",
    # do n't.
    rf"(?={_LETTER}++{_QUOTE})(?:{_LETTER}+(?=n{_QUOTE}t{_END})|{_LETTER}+(?=N{_QUOTE}T{_END}))",
    rf"n{_QUOTE}t{_END}|N{_QUOTE}T{_END}",
    # it 's; 'em.
    rf"{_QUOTE}{_CLITICS}{_END}|{_START}{_QUOTE}(?:em|n|til|bout|cause|tis|twas){_END}",
    # Words, with apostrophes inside as in O'Connell.
    rf"{_W}+(?<!_)(?:{_QUOTE}(?!(?:{_CLITICS}|t){_END}){_LETTER}{_W}*)*",
    # Any other symbol.
    rf".[{MARKS}]*",
)
"""Tried in this order at each position; the first that matches is the word.

Long runs are consumed by a single match, and every other repetition is bounded, so hostile text takes linear time.
"""

_WORD = re.compile("|".join(_RULES), re.DOTALL)


def words(text: str) -> list[str]:
    """The words of `text` in order, composed (NFC)."""
    tokens = [word for chunk in _chunks(text) for word in chunk]
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return tokens
    return [unicodedata.normalize("NFC", word) for word in tokens]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every word, in code points of `text` as it is (not normalized)."""
    spans, end = [], 0
    for chunk in _chunks(text):
        end = text.index(chunk[0], end)
        for word in chunk:
            spans.append((end, end + len(word)))
            end += len(word)
    return spans


def _chunks(text: str) -> Iterator[tuple[str, ...]]:
    """The words of each chunk in order; no chunk is empty."""
    for paragraph in PARAGRAPH_BREAK.split(text):
        chunks = paragraph.split()
        for index, chunk in enumerate(chunks, 1):
            following = chunks[index][0] if "." in chunk[-3:] and index < len(chunks) else ""
            split = _split_cached if len(chunk) <= _MAX_CACHED_LENGTH else _split
            yield split(chunk, following)


def _split(chunk: str, following: str) -> tuple[str, ...]:
    """The words of a chunk; `following` is the first character of the next one where it may matter, else empty."""
    if chunk.isalpha() and chunk.lower() not in _SPLIT_POSITIONS:
        return (chunk,)
    context = f"{chunk} {following}" if following else chunk
    return tuple(match.group() for match in _WORD.finditer(context) if match.start() < len(chunk))


_split_cached = lru_cache(maxsize=1 << 16)(_split)
