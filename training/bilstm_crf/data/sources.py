"""The data a tagger is trained on: named sets as they are published, joined ones, and the user's own files."""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans, to_iob2, write_iob2
from training.bilstm_crf.config import DataConfig
from training.bilstm_crf.data.conll_tags import Tagged, read_sentences
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.common.data_files import BTC, CONLL2003, UD_ENGLISH_EWT, UNER_ENGLISH_EWT, WNUT17, DataFile
from training.common.datasets import fetch, fetch_url
from training.common.errors import ConfigError, DatasetError

_HELD_OUT = 10  # one sentence in so many, where there is no dev
_ENTITIES = {"PER": "PER", "LOC": "LOC", "ORG": "ORG"}
_WNUT = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
_WITHOUT_A_WORD = re.compile(rb"^ ?\tO$", re.MULTILINE)
"""Two lines of BTC's section f, to be passed over as comments."""

_NOTHING_TO_MARK = "mark_sources is for several sets of spans, joined with + in --data; leave it out"

Splits = dict[str, list[Sentence]]


@dataclass(frozen=True)
class _Known:
    """A published set: how it is read, and what may be done with what is learnt from it."""

    title: str
    read: Callable[[DataConfig], tuple[Kind, Splits]]
    licence: str
    attribution: str
    shippable: bool = True


def load_data(config: DataConfig) -> TaggedData:
    """The sentences the settings name.

    Raises:
        ConfigError: an unknown name, or settings that do not go with it.
        DatasetError: a file is missing, unreachable or malformed; its text names file and line.
    """
    data = _named(config) if config.data else _own(config)
    if not config.train_on_dev:
        return data
    dev = [sentence for split, part in data.splits.items() if split.partition("-")[0] == "dev" for sentence in part]
    return replace(
        data,
        splits=data.splits | {"train": data.splits["train"] + dev},
        notes=(*data.notes, f"{len(dev):,} dev sentences are trained on too: dev scores tell no more how good it is"),
    )


def _named(config: DataConfig) -> TaggedData:
    names = config.data.split("+")
    for number, name in enumerate(names):
        if name not in _KNOWN:
            raise ConfigError(
                f"data is {config.data!r}, and {name!r} is no known set; "
                f"known are {', '.join(_KNOWN)}, joined with +; your own file goes to --train"
            )
        if name in names[:number]:
            raise ConfigError(f"data is {config.data!r}, which names {name} twice")
    return _joined([_published(name, config) for name in names], names, mark=config.mark_sources)


def _published(name: str, config: DataConfig) -> TaggedData:
    known = _KNOWN[name]
    kind, splits = known.read(config)
    return TaggedData(
        name=known.title,
        kind=kind,
        splits=splits,
        licence=known.licence,
        attribution=known.attribution,
        shippable=known.shippable,
    )


def _joined(sets: list[TaggedData], names: list[str], *, mark: bool) -> TaggedData:
    """All training parts as one; dev and test are those of the first set, the others' are splits by their names.

    Args:
        mark: whether training sentences of the others begin with a token of their set (as Johnson et al. 2017 tell a
            translator which language is wanted).
    """
    first, *others = sets
    if mark and (not others or first.kind != "spans"):
        raise ConfigError(_NOTHING_TO_MARK)
    splits = dict(first.splits)
    for name, data in zip(names[1:], others, strict=True):
        if data.kind != first.kind:
            raise ConfigError(
                f"data joins {names[0]} ({first.kind}) and {name} ({data.kind}): their tags differ in kind"
            )
        added = data.splits["train"]
        splits["train"] = splits["train"] + ([_marked(sentence, name) for sentence in added] if mark else added)
        splits |= {f"{split}-{name}": part for split, part in data.splits.items() if split != "train"}
    return TaggedData(
        name=" + ".join(data.name for data in sets),
        kind=first.kind,
        splits=splits,
        licence=" AND ".join(dict.fromkeys(data.licence for data in sets)),
        attribution="; ".join(dict.fromkeys(data.attribution for data in sets)),
        shippable=all(data.shippable for data in sets),
    )


def _marked(sentence: Sentence, name: str) -> Sentence:
    return Sentence((f"<{name}>", *sentence.words), (OUTSIDE, *sentence.tags), sentence.place)


def _own(config: DataConfig) -> TaggedData:
    """The user's files; without one for dev, every tenth sentence of train is held out."""
    if config.mark_sources:
        raise ConfigError(_NOTHING_TO_MARK)
    train = _read_own(config.train, config, None)
    splits, notes = {"train": train.sentences}, []
    for split, source in (("dev", config.dev), ("test", config.test)):
        if source:
            splits[split] = _read_own(source, config, train.kind).sentences
    if not config.dev:
        if len(train.sentences) < 2:
            raise DatasetError(f"{config.train}: holds one sentence; name a file with --dev, or add sentences")
        dev = train.sentences[_HELD_OUT - 1 :: _HELD_OUT] or train.sentences[-1:]
        held = {id(sentence) for sentence in dev}
        splits["train"] = [sentence for sentence in train.sentences if id(sentence) not in held]
        splits["dev"] = dev
        notes.append(f"no --dev: {len(dev):,} of {len(train.sentences):,} sentences of {config.train} are held out")
    return TaggedData(
        name=_name_of(config.train),
        kind=train.kind,
        splits=splits,
        licence="unspecified",
        attribution="",
        shippable=True,
        notes=tuple(notes),
    )


def _name_of(source: str) -> str:
    return source.split("?")[0].rstrip("/").rsplit("/", 1)[-1]


def _read_own(source: str, config: DataConfig, kind: Kind | None) -> Tagged:
    """A file or an address, packed with gzip or not."""
    on_the_web = source.startswith(("http://", "https://"))
    path = fetch_url(source) if on_the_web else Path(source)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{source}: there is no such file; name a file, or an address that begins with https://"
        ) from error
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: cannot be unpacked ({error}); get the file again") from error
    except OSError as error:
        raise DatasetError(f"{source}: cannot be read ({error.strerror}); name a file") from error
    if on_the_web and content.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise DatasetError(f"{source}: is a web page; name the address of the file itself (on GitHub: Raw)")
    name = _name_of(source) if on_the_web else source
    return read_sentences(content, name, column=config.column, scheme=config.scheme, kind=kind)


def _read(file: DataFile, config: DataConfig, kind: Kind | None = None) -> Tagged:
    return read_sentences(fetch(file), file.name, column=config.column, scheme=config.scheme, kind=kind)


def _as_published(files: Mapping[str, DataFile]) -> Callable[[DataConfig], tuple[Kind, Splits]]:
    """Reads the column that is asked for."""

    def read(config: DataConfig) -> tuple[Kind, Splits]:
        parts = {split: _read(file, config) for split, file in files.items()}
        return parts["train"].kind, {split: part.sentences for split, part in parts.items()}

    return read


def _entities(name: str, file: DataFile, types: Mapping[str, str], config: DataConfig) -> list[Sentence]:
    """Sentences with spans of the types that are wanted, under the names that are wanted."""
    if config.column not in ("", "ner"):
        raise ConfigError(f"column is {config.column!r}; {name} has ner only")
    if config.scheme == "none":
        raise ConfigError(f"scheme is none, but {name} has spans")
    content = _WITHOUT_A_WORD.sub(b"# ", fetch(file))
    tagged = read_sentences(content, file.name, column="ner", scheme="iob2")
    return [retyped(sentence, types) for sentence in tagged.sentences]


def retyped(sentence: Sentence, types: Mapping[str, str]) -> Sentence:
    """The sentence with its spans renamed; those of other types are none any more."""
    kept = [(types[label], start, end) for label, start, end in spans(sentence.tags) if label in types]
    return Sentence(sentence.words, tuple(write_iob2(len(sentence.tags), kept)), sentence.place)


def _uner(config: DataConfig) -> tuple[Kind, Splits]:
    return "spans", {split: _entities("uner-ewt", file, _ENTITIES, config) for split, file in UNER_ENGLISH_EWT.items()}


def _wnut(config: DataConfig) -> tuple[Kind, Splits]:
    return "spans", {split: _entities("wnut17", file, _WNUT, config) for split, file in WNUT17.items()}


def _btc(config: DataConfig) -> tuple[Kind, Splits]:
    """Of each section the last tenth is test, the tenth before it dev."""
    splits: Splits = {"train": [], "dev": [], "test": []}
    for file in BTC.values():
        section = [without_handles(sentence) for sentence in _entities("btc", file, _ENTITIES, config)]
        tenth = len(section) // 10
        splits["train"] += section[: len(section) - 2 * tenth]
        splits["dev"] += section[len(section) - 2 * tenth : len(section) - tenth]
        splits["test"] += section[len(section) - tenth :]
    return "spans", splits


def without_handles(sentence: Sentence) -> Sentence:
    """The sentence with no entity at a handle, `@name` or `@` `name`: sections label them or not.

    An `@` before a place, or before a name of more words, is the preposition.
    """
    words, tags = sentence.words, list(sentence.tags)
    ahead = (*sentence.tags[1:], OUTSIDE, OUTSIDE)
    for place, (word, tag) in enumerate(zip(words, sentence.tags, strict=True)):
        if not word.startswith("@"):
            continue
        if len(word) > 1:
            tags[place] = OUTSIDE
        elif place + 1 < len(words):
            name, after = ahead[place], ahead[place + 1]
            preposition = tag == OUTSIDE and (name.endswith("-LOC") or after.startswith("I-"))
            if not preposition:
                tags[place : place + 2] = [OUTSIDE, OUTSIDE]
    return Sentence(words, tuple(to_iob2(tags)), sentence.place)


_KNOWN = {
    "ewt": _Known(
        "UD English EWT 2.16",
        _as_published(UD_ENGLISH_EWT),
        "CC-BY-SA-4.0",
        "Universal Dependencies English Web Treebank 2.16 (Silveira et al. 2014; Zeldes, Schneider and others)",
    ),
    "uner-ewt": _Known(
        "UNER English EWT",
        _uner,
        "CC-BY-SA-4.0",
        "Universal NER v1, English EWT (Mayhew et al. 2024), on Universal Dependencies English EWT",
    ),
    "btc": _Known(
        "Broad Twitter Corpus", _btc, "CC-BY-4.0", "Broad Twitter Corpus (Derczynski, Bontcheva and Roberts 2016)"
    ),
    "wnut17": _Known(
        "WNUT-17",
        _wnut,
        "CC-BY-4.0",
        "Emerging entities, WNUT 2017 (Derczynski, Nichols, van Erp and Limsopatham 2017)",
    ),
    "conll2003": _Known(
        "CoNLL-2003 English",
        _as_published(CONLL2003),
        "research only (Reuters text)",
        "CoNLL-2003 shared task (Tjong Kim Sang and De Meulder 2003)",
        shippable=False,
    ),
}
