"""Where the training data come from: published data sets by name, and the user's own files."""

import os
from dataclasses import replace
from pathlib import Path

from training.common.data_files import MANYTHINGS, MULTI30K
from training.common.downloads import fetch, fetch_url
from training.common.errors import ConfigError, DatasetError
from training.common.line_faults import counted
from training.common.text_decoding import check_encoding
from training.seq2seq.config import MTDATA_PREFIX, PHRASEBOOK, DataConfig
from training.seq2seq.data.cleaning import clean_held_out, clean_pairs
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.filters import filter_pairs
from training.seq2seq.data.language_codes import iso_639_1, iso_639_3
from training.seq2seq.data.locations import name_of, read_location, swapped
from training.seq2seq.data.mtdata import mtdata_languages
from training.seq2seq.data.reading import read_pairs, read_parallel
from training.seq2seq.data.train_dev_split import fold, split_pairs

_MANYTHINGS_URL = "https://www.manythings.org/anki/{}-eng.zip"
_MIN_PAIRS_PER_HELD_OUT = 10  # dev and test have at most one of ten sentences each

ATTRIBUTIONS = {
    "tatoeba": "sentence pairs of tatoeba.org's contributors, as collected by manythings.org/anki",
    "phrasebook": "Lectern's own English and German phrasebook, with translated English sentences of tatoeba.org's "
    "contributors (CC BY 2.0 FR)",
    "multi30k": "Multi30k (Elliott, Frank, Sima'an and Specia 2016; Elliott et al. 2017)",
}
"""Attributions of the named data sets."""

_MULTI30K_LANGUAGES = ("de", "en", "fr")


def load_data(config: DataConfig) -> ParallelData:
    """The pairs that the settings name, cleaned and split.

    Raises:
        ConfigError: an unknown name or language, or settings that do not go with it.
        DatasetError: a file is missing, unreachable or malformed, or too few pairs are left of it.
    """
    data = _main_data(config)
    if config.extra:
        data = _with_further(data, config, config.extra, copies=1)
    if config.in_domain:
        data = _with_further(data, config, config.in_domain, copies=config.oversampling)
    return _with_test(data, config) if config.test and not config.dev else data


def _with_further(data: ParallelData, config: DataConfig, further: str, *, copies: int) -> ParallelData:
    """The data with further training pairs; of those that share a side with a held-out pair none is taken."""
    location = replace(config, source=data.source, target=data.target, swap=False)
    pairs, notes = _read_and_clean(further, location, train=True)
    held_out = [pair for split, held in data.splits.items() if split != "train" for pair in held]
    folded = [{fold(pair[side]) for pair in held_out} for side in range(2)]
    kept = [pair for pair in pairs if not any(fold(text) in side for text, side in zip(pair, folded, strict=True))]
    name, left_out = name_of(further), len(pairs) - len(kept)
    times = f", each {copies} times" if copies > 1 else ""
    note = (
        f"{name}: {len(kept):,} further training pairs{times}; {left_out:,} left out that share a side with dev or test"
    )
    return replace(
        data,
        further=(*data.further, name),
        splits={**data.splits, "train": [*data.splits["train"], *(kept * copies)]},
        attribution="; ".join(filter(None, (data.attribution, _attribution(further)))),
        notes=(*data.notes, *notes, note),
    )


def _with_test(data: ParallelData, config: DataConfig) -> ParallelData:
    """The data with a test file instead of the test pairs that were held out.

    What is trained on stays the same, so that a run can be measured on a later file; pairs of the file that share a
    side with a training pair are left out.
    """
    location = replace(config, source=data.source, target=data.target, swap=config.swap and bool(config.train))
    pairs, notes = _read_and_clean(config.test, location, train=False)
    folded = [{fold(pair[side]) for pair in data.splits["train"]} for side in range(2)]
    kept = [pair for pair in pairs if not any(fold(text) in side for text, side in zip(pair, folded, strict=True))]
    name, left_out = name_of(config.test), len(pairs) - len(kept)
    if not kept:
        raise DatasetError(
            f"{name}: all {len(pairs):,} test pairs share a side with training pairs; name a file of other sentences"
        )
    if left_out:
        notes += (f"{name}: {left_out:,} of {len(pairs):,} test pairs share a side with training pairs, left out",)
    return replace(data, splits={**data.splits, "test": kept}, notes=(*data.notes, *notes), split_notes={"test": notes})


def _main_data(config: DataConfig) -> ParallelData:
    if not config.data:
        return _own_files(config)
    if config.data.startswith(MTDATA_PREFIX):
        return _mtdata(config)
    name, _, languages = config.data.partition(":")
    source, dash, target = languages.partition("-")
    if name not in _LOADERS or not dash:
        raise ConfigError(
            f"data is {config.data!r}; known are tatoeba:eng-deu (any language of manythings.org/anki, from or to "
            "English), multi30k:en-de (en, de, fr) and mtdata:ID (`mtdata list -id` prints them); your own file "
            "goes to --train"
        )
    return _LOADERS[name](config, source, target)


def _tatoeba(config: DataConfig, source: str, target: str) -> ParallelData:
    """Tatoeba's pairs as manythings.org publishes them; both directions of a language pair have the same file."""
    codes = (iso_639_1(source), iso_639_1(target))
    if None in codes or "en" not in codes or codes[0] == codes[1]:
        raise ConfigError(
            f"data is {config.data!r}; manythings.org/anki has pairs of English and one other language, "
            "named by their ISO 639-3 codes, as tatoeba:eng-deu or tatoeba:fra-eng"
        )
    other = source if codes[1] == "en" else target
    read = read_pairs(_manythings(str(iso_639_3(other))), f"{iso_639_3(other)}-eng.zip")
    pairs = read.pairs if codes[0] == "en" else swapped(read.pairs)
    splits, notes = _split(pairs, config, "Tatoeba")
    return ParallelData(
        name=f"Tatoeba {iso_639_3(source)}-{iso_639_3(target)}",
        source=str(codes[0]),
        target=str(codes[1]),
        splits=splits,
        licence="CC-BY-2.0-FR",
        attribution=ATTRIBUTIONS["tatoeba"],
        notes=notes,
    )


def _mtdata(config: DataConfig) -> ParallelData:
    """A corpus of mtdata's index, from the first language of its id to the second; with `swap` the other way."""
    languages = mtdata_languages(config.data)
    source, target = reversed(languages) if config.swap else languages
    return _own_files(replace(config, data="", train=config.data, source=source, target=target, swap=False))


def _attribution(location: str) -> str:
    """The attribution of a corpus of mtdata's index or of the phrasebook; none of the user's own files."""
    if location == PHRASEBOOK:
        return ATTRIBUTIONS["phrasebook"]
    if not location.startswith(MTDATA_PREFIX):
        return ""
    return f"{location.removeprefix(MTDATA_PREFIX)}, in the index of mtdata"


def _manythings(language: str) -> bytes:
    """The zip of a language (ISO 639-3): a pinned copy if there is one, else today's from manythings.org."""
    if language in MANYTHINGS:
        return fetch(MANYTHINGS[language])
    own = os.environ.get("LECTERN_DATA")
    path = Path(own or ".") / "tatoeba_manythings" / f"{language}-eng.zip"
    return (path if own and path.is_file() else fetch_url(_MANYTHINGS_URL.format(language))).read_bytes()


def _multi30k(config: DataConfig, source: str, target: str) -> ParallelData:
    """Multi30k's captions with the splits of the WMT shared tasks; only training pairs are cleaned."""
    for language in (source, target):
        if language not in _MULTI30K_LANGUAGES or source == target:
            raise ConfigError(f"data is {config.data!r}; multi30k has en, de and fr, as multi30k:en-de")
    splits: dict[str, list[Pair]] = {}
    notes: tuple[str, ...] = ()
    for split in dict.fromkeys(split for split, _ in MULTI30K):
        files = [MULTI30K[split, language] for language in (source, target)]
        pairs = read_parallel([fetch(file) for file in files], [file.name for file in files]).pairs
        splits[split], added = _cleaned(pairs, config, f"Multi30k {split}", train=split == "train")
        notes += added
    return ParallelData(
        name=f"Multi30k {source}-{target}",
        source=source,
        target=target,
        splits=splits,
        licence="CC-BY-NC-SA-4.0",
        attribution=ATTRIBUTIONS["multi30k"],
        redistributable=is_redistributable(config),
        notes=notes,
    )


_LOADERS = {"tatoeba": _tatoeba, "multi30k": _multi30k}


def is_redistributable(config: DataConfig) -> bool:
    """Whether a model trained on these data may be published; on the user's own files it may."""
    return config.data.partition(":")[0] != "multi30k"


def _own_files(config: DataConfig) -> ParallelData:
    """The user's files; without a dev file, dev and test are held out of the training pairs."""
    for field, code in (("source", config.source), ("target", config.target)):
        if not (code.isascii() and code.isalpha() and code.islower() and len(code) == 2):
            instead = f", not {code}" if code else ""
            raise ConfigError(f"--{field} names a language as ISO 639-1 does: two letters, as en or de{instead}")
    if config.source == config.target:
        raise ConfigError(f"--source and --target are both {config.source}; name two languages")
    check_encoding(config.encoding)
    if config.dev:
        pairs, notes = _read_and_clean(config.train, config, train=True)
        splits, split_notes = {"train": pairs}, {}
        for split, location in (("dev", config.dev), ("test", config.test)):
            if location:
                splits[split], added = _read_and_clean(location, config, train=False)
                split_notes[split] = (*added, *_overlaps(splits, split))
                notes += split_notes[split]
    else:
        train, notes = read_location(config.train, config)
        splits, added = _split(train, config, name_of(config.train))
        notes, split_notes = notes + added, {}
    return ParallelData(
        name=name_of(config.train),
        source=config.source,
        target=config.target,
        splits=splits,
        licence="unspecified",
        attribution=_attribution(config.train),
        notes=notes,
        split_notes=split_notes,
    )


def _read_and_clean(location: str, config: DataConfig, *, train: bool) -> tuple[list[Pair], tuple[str, ...]]:
    """The cleaned pairs of a location, and the notes for the log."""
    pairs, notes = read_location(location, config)
    cleaned, added = _cleaned(pairs, config, name_of(location), train=train)
    return cleaned, notes + added


def _cleaned(pairs: list[Pair], config: DataConfig, name: str, *, train: bool) -> tuple[list[Pair], tuple[str, ...]]:
    if train:
        cleaned = filter_pairs(
            clean_pairs(pairs, max_length=config.max_length, max_ratio=config.max_ratio, lower_case=config.lower_case),
            check_languages=config.check_languages,
            min_alignment=config.min_alignment,
        )
    else:
        cleaned = clean_held_out(pairs, lower_case=config.lower_case)
    if not cleaned.pairs:
        why = ", ".join(f"{count:,} {reason}" for reason, count in cleaned.left_out.most_common())
        raise DatasetError(
            f"{name}: no pair is left ({why}); look at the file, or at --max-length, "
            "--max-ratio, --check-languages and --min-alignment"
        )
    return cleaned.pairs, cleaned.notes(name)


def _split(pairs: list[Pair], config: DataConfig, name: str) -> tuple[dict[str, list[Pair]], tuple[str, ...]]:
    """Cleaned pairs with dev and test held out of them, and the notes for the log."""
    cleaned, notes = _cleaned(pairs, config, name, train=True)
    held_out = min(config.held_out, len(cleaned) // _MIN_PAIRS_PER_HELD_OUT)
    splits = split_pairs(cleaned, ("dev", "test"), held_out=held_out, seed=config.split_seed)
    if not all(splits.values()):
        raise DatasetError(
            f"{name}: {counted(len(cleaned), 'pair')}: too few, or too much alike, to hold some out; "
            "add pairs, or name a file with --dev"
        )
    text = ", ".join(f"{len(part):,} {split}" for split, part in splits.items())
    return splits, (
        *notes,
        f"{name}: {text}; held out (seed {config.split_seed}); pairs that share "
        "a source or target sentence with a held-out one are not trained on",
    )


def _overlaps(splits: dict[str, list[Pair]], split: str) -> tuple[str, ...]:
    """A note on sources of a held-out split that are in train too; none for none."""
    trained = {fold(pair.source) for pair in splits["train"]}
    count, total = sum(fold(pair.source) in trained for pair in splits[split]), len(splits[split])
    note = f"{split}: {count:,} of {total:,} sources are in train too; scores on it are too optimistic"
    return (note,) if count else ()
