"""Sentence pairs of translators' own formats: TMX, XLIFF 1.2 and 2, and PO.

XML is read element by element, so that memory holds the pairs only. Entities and other files that a document names are
refused (defusedxml).
"""

import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import polib
from defusedxml.common import DefusedXmlException

from training.common.errors import DatasetError
from training.common.unpacking import unpacked_name
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.language_codes import language_of
from training.seq2seq.data.po_lines import po_encoding, whole_lines

MEMORIES = (".tmx", ".xlf", ".xliff", ".po")
"""Endings of the names of these files."""

_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = frozenset(("bpt", "ept", "ph", "it", "ut"))
"""Inline elements whose content is code of the original document, not text."""
_MARKUP = re.compile(r"\s*(?:</?[A-Za-z!][^<>]*>|\\[a-z*{}~]\S*|[{}])*\s*")
"""Code that says how text looks, as tags of HTML and control words of RTF do; other code, such as `{0}`, is kept."""
_UNTRANSLATED = frozenset(("new", "needs-translation", "needs-adaptation", "needs-l10n", "initial"))
"""States of XLIFF's targets that are no translation yet."""
_LANGUAGE_ATTRIBUTES = {"source": ("source-language", "srcLang"), "target": ("target-language", "trgLang")}
_MAX_DEPTH = 100
"""Elements inside each other; real documents have ten or so."""
_LISTED_TAGS = 10


class Units(NamedTuple):
    """What was read from a file."""

    pairs: list[Pair]
    languages: tuple[str, str]
    """Languages of the sides of the pairs (ISO 639-1)."""
    notes: tuple[str, ...]
    """What was left out."""


def read_memory(content: bytes, name: str, languages: tuple[str, str]) -> Units | None:
    """The pairs of a file of these formats, which are known by the ending of the name or, of XML, by the first bytes.

    Args:
        content: its unpacked content.
        name: name of the file.
        languages: ISO 639-1 codes of the sides that the pairs get.

    Returns:
        None of a file of another format.

    Raises:
        DatasetError: it is malformed, or has no pair of the languages.
    """
    ending = unpacked_name(name).rpartition(".")[2]
    start = content[:2_000].replace(b"\0", b"").lower()
    is_xml = start.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t").startswith((b"<?xml", b"<!doctype", b"<tmx", b"<xliff"))
    stream = io.BytesIO(content)
    if ending == "tmx" or (is_xml and b"<tmx" in start):
        return read_tmx(stream, name, languages)
    if ending in ("xlf", "xliff") or (is_xml and b"<xliff" in start):
        return read_xliff(stream, name, languages)
    return read_po(stream, name, languages) if ending == "po" else None


def read_tmx(stream: BinaryIO, name: str, languages: tuple[str, str]) -> Units:
    """The translation units of a TMX file that have both languages; of several variants of a language the first.

    Args:
        stream: the content.
        name: name of the file.
        languages: ISO 639-1 codes; `en` also takes `en-US`.

    Raises:
        DatasetError: it is no TMX, declares entities, or has no such unit.
    """
    pairs: list[Pair] = []
    tags: set[str] = set()
    missing = 0
    for unit, _ in _elements(stream, name, "tmx", {"tu"}):
        texts: dict[str, str] = {}
        for variant in unit:
            tag = variant.get(_XML_LANGUAGE) or variant.get("lang") or ""
            segment = next((child for child in variant if _local(child) == "seg"), None)
            if _local(variant) == "tuv" and segment is not None:
                tags.add(tag)
                texts.setdefault(language_of(tag) or tag, _text(segment))
        if all(texts.get(language, "").strip() for language in languages):
            pairs.append(Pair(texts[languages[0]], texts[languages[1]]))
        else:
            missing += 1
    return _units(pairs, name, languages, tags, missing)


def read_xliff(stream: BinaryIO, name: str, languages: tuple[str, str]) -> Units:
    """The translated units of an XLIFF file, version 1.2 or 2.

    Args:
        stream: the content.
        name: name of the file.
        languages: ISO 639-1 codes, in either order.

    Raises:
        DatasetError: it is no XLIFF, declares entities, or has no translation of these languages.
    """
    pairs: list[Pair] = []
    all_tags: set[str] = set()
    missing = 0
    for unit, stated in _elements(stream, name, "xliff", {"trans-unit", "segment"}):
        source = next((child for child in unit if _local(child) == "source"), None)
        target = next((child for child in unit if _local(child) == "target"), None)
        tags = [stated.get(key, "") for key in _LANGUAGE_ATTRIBUTES]
        sides = [language_of(tag) or tag for tag in tags]
        if target is not None and not tags[1]:
            sides[1] = next((language for language in languages if language != sides[0]), "")
        all_tags.update(tags)
        texts = [_text(side).strip() if side is not None else "" for side in (source, target)]
        state = unit.get("state") or (target.get("state") if target is not None else "") or ""
        if all(texts) and set(sides) == set(languages) and state not in _UNTRANSLATED:
            first = sides.index(languages[0])
            pairs.append(Pair(texts[first], texts[1 - first]))
        else:
            missing += 1
    return _units(pairs, name, languages, all_tags, missing)


def read_po(stream: BinaryIO, name: str, languages: tuple[str, str]) -> Units:
    """The translated entries of a gettext PO file: neither fuzzy nor obsolete; plurals are pairs of their own.

    The messages are in the language that its header does not name.

    Args:
        stream: the content.
        name: name of the file.
        languages: ISO 639-1 codes, in either order; the first is that of the messages if the header names none.

    Raises:
        DatasetError: it is no PO file, a line of it is damaged, or it has no translation into one of the languages.
    """
    content = stream.read()
    encoding = po_encoding(content)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except (LookupError, UnicodeDecodeError) as error:
        raise DatasetError(f"{name}: is not in the encoding of its header ({encoding}); save it as UTF-8") from error
    text = whole_lines(text, name)
    try:
        file = polib.pofile(text + "\n")  # The line feed keeps polib from opening a file that one line may name.
    except (OSError, ValueError, IndexError) as error:  # polib's own errors
        line = re.search(r"\(?line (\d+)\)?", str(error))
        where = f"{name}:{line[1]}" if line else name
        raise DatasetError(f"{where}: is no PO file; correct the line (`msgfmt -c {name}` checks it)") from error
    tag = file.metadata.get("Language", "")
    stated = language_of(tag) or tag
    if stated and stated not in languages:
        raise DatasetError(f"{name}: is translated into {tag}, not into {' or '.join(languages)}")
    pairs = []
    entries = [entry for entry in file if not entry.obsolete]
    translated = [entry for entry in entries if entry.translated()]
    for entry in translated:
        if entry.msgid_plural:
            forms = [text for _, text in sorted(entry.msgstr_plural.items())]
            pairs += [Pair(entry.msgid, forms[0]), Pair(entry.msgid_plural, forms[-1])]
        else:
            pairs.append(Pair(entry.msgid, entry.msgstr))
    if stated == languages[0]:
        pairs = [Pair(pair.target, pair.source) for pair in pairs]
    return _units(pairs, name, languages, (), len(entries) - len(translated))


def _units(pairs: list[Pair], name: str, languages: tuple[str, str], tags: Iterable[str], missing: int) -> Units:
    """The pairs with a note on the units that are missing among them; the tags are those of the file's languages."""
    if not pairs:
        listed = ", ".join(sorted(filter(None, tags))[:_LISTED_TAGS])
        has = f"it has {listed}; " if listed else ""
        raise DatasetError(
            f"{name}: has no unit with both {languages[0]} and {languages[1]}; {has}check --source and --target"
        )
    units = "1 unit left out that is" if missing == 1 else f"{missing:,} units left out that are"
    note = f"{name}: {units} not translated, or not in both languages"
    return Units(pairs, languages, (note,) if missing else ())


def _elements(stream: BinaryIO, name: str, root: str, wanted: set[str]) -> Iterator[tuple[Element, dict[str, str]]]:
    """The elements of some names in a document, each freed after it was used, with the languages that XLIFF states.

    Raises:
        DatasetError: it is no XML, has another root, is nested too deeply, or declares entities.
    """
    above: list[tuple[Element, dict[str, str]]] = []
    wanted_above = 0
    try:
        for event, element in defusedxml.ElementTree.iterparse(stream, ("start", "end")):
            if event == "start":
                if not above and _local(element) != root:
                    raise DatasetError(f"{name}: begins with <{_local(element)}>, not with <{root}>")
                if len(above) == _MAX_DEPTH:
                    raise DatasetError(f"{name}: its elements are nested more than {_MAX_DEPTH} deep; export it again")
                wanted_above += _local(element) in wanted
                above.append((element, {**(above[-1][1] if above else {}), **_stated_languages(element)}))
                continue
            _, languages = above.pop()
            wanted_above -= _local(element) in wanted
            if _local(element) in wanted:
                yield element, languages
            if not wanted_above:
                element.clear()
                if above:
                    above[-1][0].remove(element)
    except DefusedXmlException as error:
        raise DatasetError(
            f"{name}: declares entities, which could read other files; remove them from the document"
        ) from error
    except (ParseError, UnicodeError, LookupError) as error:
        line = error.position[0] if isinstance(error, ParseError) else 1
        raise DatasetError(f"{name}:{line}: is no XML ({error}); export the file again") from error


def _stated_languages(element: Element) -> dict[str, str]:
    """The languages of source and target that an element of XLIFF states."""
    return {
        side: element.attrib[attribute]
        for side, attributes in _LANGUAGE_ATTRIBUTES.items()
        for attribute in attributes
        if attribute in element.attrib
    }


def _text(element: Element) -> str:
    """The text of a segment, with that of inline elements; their code is kept where it stands for text."""
    parts = [element.text or ""]
    for child in element:
        inner = _text(child)
        if _local(child) not in _CODES or not _MARKUP.fullmatch(inner):
            parts.append(inner)
        parts.append(child.tail or "")
    return "".join(parts)


def _local(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
