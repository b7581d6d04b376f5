"""Parallel corpora by their id in the index of mtdata (Gowda et al. 2021), such as OPUS-tatoeba-v20230412-deu-eng.

The program `mtdata` (PyPI) finds, downloads and parses them. It runs as a process of its own: its requirements exclude
versions that Lectern pins, so it is installed apart, for example with `pipx install mtdata`. What it printed is kept
with its sha256 and read from there afterwards.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from service.bundle.write_errors import write_error
from training.common.downloads import cache_folder
from training.common.errors import ConfigError, DatasetError
from training.common.files import write_text
from training.seq2seq.config import MTDATA_PREFIX
from training.seq2seq.data.language_codes import iso_639_1
from training.seq2seq.data.reading import FilePairs, read_pairs

_PROGRAM = "mtdata"
_ID = re.compile(r"\w[\w.]*-[\w.]+-[\w.]+-([a-z]{2,3})(?:_\w+)?-([a-z]{2,3})(?:_\w+)?")
"""Group, name and version of a corpus, and its two languages: ISO 639-3, with script or region after `_`."""


def mtdata_languages(location: str) -> tuple[str, str]:
    """The languages of `mtdata:ID` in the order of the id, ISO 639-1.

    Raises:
        ConfigError: it is no id of a parallel corpus, or a language has no such code.
    """
    match = _ID.fullmatch(location.removeprefix(MTDATA_PREFIX))
    if match is None:
        raise ConfigError(
            f"{location}: is no id of a parallel corpus; `mtdata list -l deu-eng -id` prints them, as "
            "mtdata:OPUS-tatoeba-v20230412-deu-eng"
        )
    codes = [iso_639_1(code) for code in match.groups()]
    for code, tag in zip(codes, match.groups(), strict=True):
        if code is None:
            raise ConfigError(f"{location}: {tag} is no language that Lectern has a code for; use --train with files")
    return str(codes[0]), str(codes[1])


def mtdata_pairs(location: str) -> FilePairs:
    """The pairs of `mtdata:ID`: a copy in `$LECTERN_DATA/mtdata`, or in the cache, or as the program prints them.

    Raises:
        ConfigError: it is no id of a parallel corpus.
        DatasetError: the program is missing or fails, or the kept file was altered.
    """
    languages = mtdata_languages(location)
    path = _kept_copy(location.removeprefix(MTDATA_PREFIX))
    return FilePairs(read_pairs(path.read_bytes(), path.name, quotes=False).pairs, languages)


def _kept_copy(dataset: str) -> Path:
    own = os.environ.get("LECTERN_DATA")
    for suffix in (".tsv", ".tsv.gz") if own else ():
        path = Path(str(own)) / "mtdata" / f"{dataset}{suffix}"
        if path.is_file():
            return path
    path = cache_folder() / "mtdata" / f"{dataset}.tsv"
    recorded = path.with_suffix(f"{path.suffix}.sha256")
    if not (path.is_file() and recorded.is_file()):
        path.parent.mkdir(parents=True, exist_ok=True)
        _print_corpus(dataset, path)
        write_text(recorded, _sha256(path))
    elif recorded.read_text(encoding="ascii").strip() != _sha256(path):
        raise DatasetError(f"{path}: is not as it was first downloaded; remove it and run again")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _print_corpus(dataset: str, path: Path) -> None:
    """Let the program print a corpus into a file, which appears whole or not at all."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise DatasetError(
            f"{MTDATA_PREFIX}{dataset} needs the program mtdata: install it apart from Lectern (pipx install "
            f"mtdata), or put the pairs at $LECTERN_DATA/mtdata/{dataset}.tsv"
        )
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    environment = {"MTDATA": str(path.parent / "downloads"), **os.environ}
    try:
        # In an empty folder: mtdata imports every mtdata*.py of the folder it runs in.
        with tempfile.TemporaryDirectory() as folder, partial.open("wb") as output:
            command = [program, "echo", dataset]
            done = subprocess.run(command, cwd=folder, env=environment, stdout=output, check=False)
        if done.returncode:
            if full := write_error(path.parent):
                raise OSError(full.errno, full.strerror, str(path))
            raise DatasetError(
                f"{MTDATA_PREFIX}{dataset}: mtdata ended with exit code {done.returncode}, its own message is above; "
                "`mtdata list -id` prints the ids that it knows"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
