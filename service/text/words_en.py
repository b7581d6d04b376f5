"""The words of English text, as the Universal Dependencies treebank English EWT (2.16) cuts it.

Every word is a piece of the text as it is: the words of a chunk (what stands between white space) joined are the chunk.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from service.text.characters import MARKS

_CACHED_LENGTH = 32
"""Longer chunks are rare and not remembered, so that the memory of the cache is bounded."""


def _any(words: str) -> str:
    """A pattern for one of the words."""
    return "(?:" + "|".join(map(re.escape, words.split())) + ")"


_ABBREVIATIONS = _any(
    "Mr Mrs Ms Messrs Dr Prof St Ft Mt Gen Sen Rep Reps Gov Lt Col Sgt Capt Maj Rev Hon Pres Jr Sr vs Inc Ltd Co Corp"
    " Bros Dept Attn Ave Blvd Rd Vol Ph Esp esp eg ie cf approx"
    " Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun"
)
_LAST_OR_NOT = _any("etc a.m p.m A.M P.M info mins yrs al")
_UNITS = _any(
    "am pm AM PM a.m p.m k K m M mm MM b B bn BN kg Kg g lb lbs ft cm km mg ml mi mph hr hrs min mins sec secs yr yrs"
    " GB MB"
)
_FILES = _any("com org net edu gov doc xls ppt pdf txt html htm jpg gif png zip exe url")
_PREFIXES = _any(
    "anti co counter cross e ex intra macro mega micro mid mini multi neo non over post pre pro pseudo psycho re semi"
    " socio sub super trans ultra un"
)
_RUN_TOGETHER = {  # second part: first parts
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
_CUT_WORDS = {first + second: len(first) for second, firsts in _RUN_TOGETHER.items() for first in firsts.split()}
_FIXED = _any("w/o w/out l/c L/C b/t n/a N/A I/C I/S Yahoo! #'s")
_CLITICS = "(?i:s|m|d|ll|ve|re)"

_QUOTE = "['\u2019`]"
_ACCENTS = "\u0300-\u036f"  # where Latin letters are written decomposed
_W = rf"[\w{MARKS}\u00ad]"  # soft hyphens are inside words
_LETTER = rf"(?:[^\W\d_][{_ACCENTS}]*)"
_A = rf"\w{_ACCENTS}"
_NEW = rf"(?<![{_A}])"  # no word goes before
_END = rf"(?![{_A}])"  # no word goes on
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff][\ufe0f\U0001f3fb-\U0001f3ff]*"

_RULES = (
    # can not, gon na, and misspelt do nt, I m, that s: the first part.
    "|".join(
        f"{spelt[:cut]}(?={spelt[cut:]}{_END})"
        for word, cut in _CUT_WORDS.items()
        for spelt in (word, word.capitalize(), word.upper())
    ),
    # Addresses, without the punctuation after them.
    rf"(?:https?://|ftp://|mailto:|www\.)[^\s<>\"]*[\w/{_ACCENTS}]",
    # Plain words.
    r"[A-Za-z]++(?=[\s,;:?)\]\"]|\Z)",
    # E-mail, even me...@example.com and name@COMPANY.
    rf"(?<![{_A}.+%-])\w[{_A}.+%-]{{0,63}}+@\w[{_A}-]{{0,62}}(?:\.\w[{_A}-]{{0,62}}){{0,8}}",
    # @name, #topic.
    rf"{_NEW}[@#]{_LETTER}{_W}*",
    # Hosts, files, newsgroups: example.com, report.doc, comp.mail.maps.
    rf"(?<![{_A}.~#%-])[\w-][{_A}.~#%-]{{0,63}}\.(?i:{_FILES}){_END}",
    rf"\.{_FILES}{_END}",
    rf"{_NEW}[a-z]{{2,20}}(?:\.[a-z]{{2,20}}){{2,8}}{_END}",
    # Lines drawn with signs; arrows.
    r"(?<!\S)[-=+*~_|<>{}]{3,}(?!\S)",
    r"<[-=]+>?|[-=]+>",
    # :-) (: <3 ^_^
    rf"{_NEW}(?:>?[:;=][-o^']?[()\[\]DPpOo/\\|*3]{_END}|\(:|<3|\^_?\^|[xX]D{_END})",
    # Flags; emoji with their colours and joints.
    rf"[\U0001f1e6-\U0001f1ff]{{2}}|{_EMOJI}(?:\u200d{_EMOJI})*",
    # ... ?! !!! -- === << and other runs of one sign.
    r"\.{2,}|…+\.*|[!?]+[.!?]*|\.[!?]+|([-=*~_+#<>$|)'\u2019\u2018`\",])\1+|\u2018\u2019",
    # 11/28/2000, 9/11, 11-28-2000; but 1 / 2 and 24 / 7.
    rf"{_NEW}(?:\d\d?([/-])\d\d?\2(?:\d\d){{1,2}}|(?:0?[1-9]|1[0-2])/(?:[0-2]\d|3[01])){_END}(?![/-]\d)",
    # 1-713-853-3989, 713/853-3989, 853-3989, x3-3989, 77042-2016; but 1969 - 1970.
    rf"{_NEW}(?:(?:\d-)?(?:\d{{3}}[-/])?\d{{3}}-\d{{4}}|[xX]?\d-\d{{4}}|\d{{5}}-\d{{4}}){_END}(?!-\d)",
    # 5 kg, 10.5 M, 7:30 pm: the number.
    rf"\d+(?:[.,:]\d+)*(?={_UNITS}{_END})",
    # '72, '60s, 1990's.
    rf"{_NEW}{_QUOTE}\d\ds?{_END}|{_NEW}\d{{2,4}}{_QUOTE}s{_END}",
    # 3,000.5, 7:30, .5, +44; 20th and 1990s are left to the rule of words.
    rf"{_NEW}\.\d+{_END}|\+?\d+(?:[.,:]\d+)*{_END}|\d+(?:[.,:]\d+)+",
    # etc. and p.m., if no sentence begins after it.
    rf"{_LAST_OR_NOT}\.(?=\s*[^\sA-Z\"'\u201c.])",
    # U.S. but, at the end of a paragraph, U.S and its full stop.
    rf"{_NEW}(?![AaPp]\.[Mm]\.)(?:{_LETTER}\.){{2,}}(?!{_LETTER})(?![\s\"')\]]*\Z)|{_NEW}(?:{_LETTER}\.)+{_LETTER}{_END}",
    # Mr. and the like; any short word before a comma; No. 5.
    rf"(?=[A-Za-z]{{2,7}}\.){_ABBREVIATIONS}\.(?=\s*\S)|{_NEW}{_LETTER}{{1,5}}\.(?=[,;])|[Nn]o\.(?=\s*\d)",
    # W. Bush.
    rf"{_NEW}[A-HJ-Z]\.(?=\s*[A-Za-z])",
    # AT&T, P&L.
    rf"[A-Za-z]{{1,4}}&[A-Za-z]{{1,2}}{_END}",
    # w/o and other words with a sign inside.
    rf"(?:{_FIXED}){_END}|[A-Z]{{1,2}}\$",
    # non-human, mid-1990s; other hyphens stand alone.
    rf"(?=[A-Za-z]{{1,7}}-)(?i:{_PREFIXES})-{_W}+{_END}",
    # do n't.
    rf"(?={_LETTER}++{_QUOTE})(?:{_LETTER}+(?=n{_QUOTE}t{_END})|{_LETTER}+(?=N{_QUOTE}T{_END}))",
    rf"n{_QUOTE}t{_END}|N{_QUOTE}T{_END}",
    # it 's; 'em.
    rf"{_QUOTE}{_CLITICS}{_END}|{_NEW}{_QUOTE}(?:em|n|til|bout|cause|tis|twas){_END}",
    # Words, with apostrophes inside as in O'Connell.
    rf"{_W}+(?<!_)(?:{_QUOTE}(?!(?:{_CLITICS}|t){_END}){_LETTER}{_W}*)*",
    # Any other sign.
    rf".[{MARKS}]*",
)
"""Tried in this order at each place: the first that fits is the word.

What may be long is taken at once by this or a later rule, everything else is bounded: hostile text costs linear time.
"""

_WORD = re.compile("|".join(_RULES), re.DOTALL)
PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n")
"""A blank line."""


def words(text: str) -> list[str]:
    """The words of `text` in order, composed (NFC)."""
    found = [word for chunk in _chunks(text) for word in chunk]
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return found
    return [unicodedata.normalize("NFC", word) for word in found]


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of `text` begin and end, in code points of the text as it is given."""
    found, end = [], 0
    for chunk in _chunks(text):
        end = text.index(chunk[0], end)
        for word in chunk:
            found.append((end, end + len(word)))
            end += len(word)
    return found


def _chunks(text: str) -> Iterator[tuple[str, ...]]:
    """The words of each chunk in order; none is empty."""
    for paragraph in PARAGRAPH_END.split(text) if "\n" in text else (text,):
        chunks = paragraph.split()
        for place, chunk in enumerate(chunks, 1):
            after = chunks[place][0] if "." in chunk[-3:] and place < len(chunks) else ""
            yield _remembered(chunk, after) if len(chunk) <= _CACHED_LENGTH else _cut(chunk, after)


def _cut(chunk: str, after: str) -> tuple[str, ...]:
    """The words of a chunk; `after` is the first character of the next one, where that may matter."""
    if chunk.isalpha() and chunk.lower() not in _CUT_WORDS:
        return (chunk,)
    context = f"{chunk} {after}" if after else chunk
    return tuple(match.group() for match in _WORD.finditer(context) if match.start() < len(chunk))


_remembered = lru_cache(maxsize=1 << 16)(_cut)
