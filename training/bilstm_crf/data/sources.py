"""Data sets of the taggers: published ones by name, several joined, and the user's own files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans, to_iob2, write_iob2
from training.bilstm_crf.config import DataConfig
from training.bilstm_crf.data.conll_tags import ReadOptions, TaggedFile, read_sentences
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.data.splits import hold_out, split_notes
from training.common.data_files import BTC, CONLL2003, UD_ENGLISH_EWT, UNER_ENGLISH_EWT, WNUT17, DataFile
from training.common.downloads import fetch
from training.common.errors import ConfigError
from training.common.locations import file_name, is_address, read_unpacked
from training.common.text_decoding import check_encoding

_ENTITIES = {"PER": "PER", "LOC": "LOC", "ORG": "ORG"}
_WNUT_ENTITIES = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}
_EMPTY_WORD = re.compile(rb"^ ?\tO\n", re.MULTILINE)
"""Two lines of BTC's section f without a word; they are left out."""

_NOTHING_TO_MARK = "mark_sources is for several sets of spans, joined with + in --data; leave it out"

Splits = dict[str, list[Sentence]]


@dataclass(frozen=True)
class _PublishedSet:
    """A published data set: how to read it, and its licence."""

    title: str
    read: Callable[[DataConfig], tuple[Kind, Splits]]
    licence: str
    attribution: str
    redistributable: bool = True


def load_data(config: DataConfig) -> TaggedData:
    """Load the sentences that the settings name.

    Raises:
        ConfigError: an unknown name, or settings that it does not support.
        DatasetError: a file is missing, unreachable or malformed; file and line are named.
    """
    data = _load_published(config) if config.data else _load_files(config)
    if not config.train_on_dev:
        return data
    dev = [sentence for split, part in data.splits.items() if split.partition("-")[0] == "dev" for sentence in part]
    return replace(
        data,
        splits=data.splits | {"train": data.splits["train"] + dev},
        notes=(*data.notes, f"{len(dev):,} dev sentences are trained on too: dev scores no longer measure quality"),
    )


def _load_published(config: DataConfig) -> TaggedData:
    names = config.data.split("+")
    for number, name in enumerate(names):
        if name not in _PUBLISHED:
            raise ConfigError(
                f"data is {config.data!r}, and {name!r} is no known set; "
                f"known are {', '.join(_PUBLISHED)}, joined with +; your own file goes to --train"
            )
        if name in names[:number]:
            raise ConfigError(f"data is {config.data!r}, which names {name} twice")
    return _join([_read_published(name, config) for name in names], names, mark=config.mark_sources)


def _read_published(name: str, config: DataConfig) -> TaggedData:
    published = _PUBLISHED[name]
    kind, splits = published.read(config)
    return TaggedData(
        name=published.title,
        kind=kind,
        splits=splits,
        licence=published.licence,
        attribution=published.attribution,
        redistributable=published.redistributable,
    )


def _join(sets: list[TaggedData], names: list[str], *, mark: bool) -> TaggedData:
    """Join the training splits; `dev` and `test` are the first set's, the others' get splits named after them.

    Args:
        sets: the data sets.
        names: their names on the command line.
        mark: prefix the training sentences of all but the first set with a token that names their set, as Johnson et
            al. 2017 prefix the target language in translation.
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
        splits["train"] = splits["train"] + ([_with_marker(sentence, name) for sentence in added] if mark else added)
        splits |= {f"{split}-{name}": part for split, part in data.splits.items() if split != "train"}
    return TaggedData(
        name=" + ".join(data.name for data in sets),
        kind=first.kind,
        splits=splits,
        licence=" AND ".join(dict.fromkeys(data.licence for data in sets)),
        attribution="; ".join(dict.fromkeys(data.attribution for data in sets)),
        redistributable=all(data.redistributable for data in sets),
    )


def _with_marker(sentence: Sentence, name: str) -> Sentence:
    return Sentence((f"<{name}>", *sentence.words), (OUTSIDE, *sentence.tags), sentence.location)


def _load_files(config: DataConfig) -> TaggedData:
    """Load the user's files; without a dev file, every tenth training sentence is held out."""
    if config.mark_sources:
        raise ConfigError(_NOTHING_TO_MARK)
    check_encoding(config.encoding)
    train = _read_file(config.train, config, None)
    splits, notes = {"train": train.sentences}, [train.reading, *train.notes]
    sources = {split: source for split, source in (("dev", config.dev), ("test", config.test)) if source}
    for split, source in sources.items():
        file = _read_file(source, config, train.kind)
        splits[split] = file.sentences
        notes += file.notes
    if not config.dev:
        splits["train"], splits["dev"] = hold_out(train.sentences, config.train)
        count, total = len(splits["dev"]), len(train.sentences)
        notes.append(f"no --dev: {count:,} of {total:,} sentences of {config.train} are held out")
    return TaggedData(
        name=file_name(config.train),
        kind=train.kind,
        splits={split: splits[split] for split in ("train", "dev", "test") if split in splits},
        licence="unspecified",
        attribution="",
        redistributable=True,
        files={split: file_name(source) for split, source in sources.items()},
        notes=(*notes, *split_notes(splits, train.kind)),
    )


def _read_file(source: str, config: DataConfig, kind: Kind | None) -> TaggedFile:
    """Read a local file or a URL, packed or not."""
    name = file_name(source) if is_address(source) else source
    options = ReadOptions(
        column=config.column, scheme=config.scheme, encoding=config.encoding, skip_bad=config.skip_bad
    )
    return read_sentences(read_unpacked(source), name, options, kind)


def _read_columns(file: DataFile, config: DataConfig, kind: Kind | None = None) -> TaggedFile:
    return read_sentences(fetch(file), file.name, ReadOptions(column=config.column, scheme=config.scheme), kind)


def _column_reader(files: Mapping[str, DataFile]) -> Callable[[DataConfig], tuple[Kind, Splits]]:
    """A reader of the requested column."""

    def read(config: DataConfig) -> tuple[Kind, Splits]:
        parts = {split: _read_columns(file, config) for split, file in files.items()}
        return parts["train"].kind, {split: part.sentences for split, part in parts.items()}

    return read


def _entities(name: str, file: DataFile, types: Mapping[str, str], config: DataConfig) -> list[Sentence]:
    """Read the sentences of a NER file, keeping the spans of `types` under their new names."""
    if config.column not in ("", "ner"):
        raise ConfigError(f"column is {config.column!r}; {name} has ner only")
    if config.scheme == "none":
        raise ConfigError(f"scheme is none, but {name} has spans")
    content = _EMPTY_WORD.sub(b"", fetch(file))
    tagged = read_sentences(content, file.name, ReadOptions(column="ner", scheme="iob2"))
    return [rename_types(sentence, types) for sentence in tagged.sentences]


def rename_types(sentence: Sentence, types: Mapping[str, str]) -> Sentence:
    """The sentence with the types of its spans renamed; spans of other types are dropped."""
    kept = [(types[label], start, end) for label, start, end in spans(sentence.tags) if label in types]
    return Sentence(sentence.words, tuple(write_iob2(len(sentence.tags), kept)), sentence.location)


def _uner(config: DataConfig) -> tuple[Kind, Splits]:
    return "spans", {split: _entities("uner-ewt", file, _ENTITIES, config) for split, file in UNER_ENGLISH_EWT.items()}


def _wnut(config: DataConfig) -> tuple[Kind, Splits]:
    return "spans", {split: _entities("wnut17", file, _WNUT_ENTITIES, config) for split, file in WNUT17.items()}


def _btc(config: DataConfig) -> tuple[Kind, Splits]:
    """The last tenth of each section is test, the tenth before it dev."""
    splits: Splits = {"train": [], "dev": [], "test": []}
    for file in BTC.values():
        section = [drop_handles(sentence) for sentence in _entities("btc", file, _ENTITIES, config)]
        tenth = len(section) // 10
        splits["train"] += section[: len(section) - 2 * tenth]
        splits["dev"] += section[len(section) - 2 * tenth : len(section) - tenth]
        splits["test"] += section[len(section) - tenth :]
    return "spans", splits


def drop_handles(sentence: Sentence) -> Sentence:
    """The sentence without entities at handles (`@name` or `@` `name`), which only some sections annotate.

    An `@` before a location, or before an entity of several words, is the preposition.
    """
    words, tags = sentence.words, list(sentence.tags)
    following = (*sentence.tags[1:], OUTSIDE, OUTSIDE)
    for index, (word, tag) in enumerate(zip(words, sentence.tags, strict=True)):
        if not word.startswith("@"):
            continue
        if len(word) > 1:
            tags[index] = OUTSIDE
        elif index + 1 < len(words):
            name, after = following[index], following[index + 1]
            preposition = tag == OUTSIDE and (name.endswith("-LOC") or after.startswith("I-"))
            if not preposition:
                tags[index : index + 2] = [OUTSIDE, OUTSIDE]
    return Sentence(words, tuple(to_iob2(tags)), sentence.location)


_PUBLISHED = {
    "ewt": _PublishedSet(
        "UD English EWT 2.16",
        _column_reader(UD_ENGLISH_EWT),
        "CC-BY-SA-4.0",
        "Universal Dependencies English Web Treebank 2.16 (Silveira et al. 2014; Zeldes, Schneider and others)",
    ),
    "uner-ewt": _PublishedSet(
        "UNER English EWT",
        _uner,
        "CC-BY-SA-4.0",
        "Universal NER v1, English EWT (Mayhew et al. 2024), on Universal Dependencies English EWT",
    ),
    "btc": _PublishedSet(
        "Broad Twitter Corpus", _btc, "CC-BY-4.0", "Broad Twitter Corpus (Derczynski, Bontcheva and Roberts 2016)"
    ),
    "wnut17": _PublishedSet(
        "WNUT-17",
        _wnut,
        "CC-BY-4.0",
        "Emerging entities, WNUT 2017 (Derczynski, Nichols, van Erp and Limsopatham 2017)",
    ),
    "conll2003": _PublishedSet(
        "CoNLL-2003 English",
        _column_reader(CONLL2003),
        "research only (Reuters text)",
        "CoNLL-2003 shared task (Tjong Kim Sang and De Meulder 2003)",
        redistributable=False,
    ),
}
