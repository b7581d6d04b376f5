"""The user's own pairs by location: files, addresses, corpora of mtdata's index; and the order of their sides."""

from importlib.resources import files
from pathlib import Path

from training.common.errors import ConfigError
from training.common.locations import file_name, read_file
from training.seq2seq.config import MTDATA_PREFIX, PHRASEBOOK, DataConfig
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.filters import check_not_swapped
from training.seq2seq.data.mtdata import mtdata_pairs
from training.seq2seq.data.reading import FilePairs, ReadOptions, read_pairs, read_parallel

_PHRASEBOOK_TABLES = ("phrasebook_en_de.tsv", "phrasebook_tatoeba_en_de.tsv")


def read_location(location: str, config: DataConfig) -> tuple[list[Pair], tuple[str, ...]]:
    """The pairs of a file or of two with a comma between, each a path or a URL, of `mtdata:ID`, or of `phrasebook`.

    Returns:
        The pairs from source to target, and notes for the log on what was left out.

    Raises:
        ConfigError: the location or an option does not fit.
        DatasetError: a file is missing, unreachable or malformed, or has its languages the other way round.
    """
    if location.startswith(MTDATA_PREFIX):
        return _in_order(mtdata_pairs(location), config, location), ()
    if location == PHRASEBOOK:
        if {config.source, config.target} != {"en", "de"}:
            raise ConfigError(f"{PHRASEBOOK}: is of en and de, not of {config.source} and {config.target}")
        tables = [read_location(str(files(__package__).joinpath(name)), config)[0] for name in _PHRASEBOOK_TABLES]
        return [pair for table in tables for pair in table], ()
    names = [location] if Path(location).exists() else location.split(",")
    if len(names) > 2:
        raise ConfigError(f"{location}: names {len(names)} files; one table, or two files as corpus.en,corpus.de")
    languages = (config.target, config.source) if config.swap else (config.source, config.target)
    contents = [read_file(name) for name in names]
    options = ReadOptions(languages=languages, header=config.header, encoding=config.encoding, skip_bad=config.skip_bad)
    if len(names) == 2:
        read = read_parallel(contents, names, options)._replace(languages=_languages_by_name(names, languages))
    else:
        read = read_pairs(contents[0], names[0], options)
    # The languages that the file itself states count more than the order in which they were named.
    stated = read.languages and set(read.languages) == set(languages)
    pairs = _in_order(read if stated else read._replace(languages=languages), config, location)
    check_not_swapped(pairs, (config.source, config.target), name_of(location))
    return pairs, read.notes


def _in_order(read: FilePairs, config: DataConfig, location: str) -> list[Pair]:
    """The pairs from the source language to the target language."""
    assert read.languages is not None
    if set(read.languages) != {config.source, config.target}:
        raise ConfigError(
            f"{location}: is of {' and '.join(read.languages)}, not of {config.source} and {config.target}"
        )
    return read.pairs if read.languages[0] == config.source else swapped(read.pairs)


def _languages_by_name(names: list[str], languages: tuple[str, str]) -> tuple[str, str] | None:
    """The languages of two files whose names end in them, like corpus.en and corpus.de."""
    suffixes = [name_of(name).removesuffix(".gz").rsplit(".", 1)[-1] for name in names]
    return (suffixes[0], suffixes[1]) if set(suffixes) == set(languages) else None


def name_of(location: str) -> str:
    """The file names in a location."""
    return ",".join(map(file_name, location.split(",")))


def swapped(pairs: list[Pair]) -> list[Pair]:
    """The pairs in the other direction."""
    return [Pair(pair.target, pair.source) for pair in pairs]
