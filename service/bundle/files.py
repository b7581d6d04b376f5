"""Reading and writing bundles: `models/<name>/<version>/`.

A bundle is data, never code. It is written next to its final place and renamed into it, so that a reader sees all of
it or nothing; every file is named with its sha256 in the manifest, so that a reader knows what it got.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from service.bundle.manifest import FORMAT_VERSION, Manifest, is_model_name
from service.bundle.write_errors import attribute_write_errors

MANIFEST = "manifest.json"
SAMPLES = "samples.json"
MODEL_CARD = "MODEL_CARD.md"

_MAX_JSON_BYTES = 16 << 20
"""The manifest and the samples are parsed in memory; those of real bundles have a few kilobytes."""

_NO_HASH = "0" * 64


class BundleError(ValueError):
    """A bundle that cannot be used: the message names the file and the reason."""


class Sample(BaseModel):
    """A request as the task route's JSON body, and the `results` of its answer (on OpenAI's routes its `data`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: str | None = None
    """One of the task's routes (`/v1/similarity`); left out where the task has only one."""
    request: dict[str, JsonValue]
    results: list[JsonValue]


class Samples(BaseModel):
    """The content of `samples.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: tuple[Sample, ...] = Field(min_length=1)


def write_samples(samples: Sequence[Sample]) -> bytes:
    """The content of `samples.json`."""
    documents = []
    for sample in samples:
        route = {"route": sample.route} if sample.route is not None else {}
        documents.append({**route, "request": sample.request, "results": sample.results})
    return orjson.dumps({"samples": documents})


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle on disk whose files were verified."""

    path: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """The path of a listed file."""
        if name not in self.manifest.files:
            raise BundleError(f"{self.path}: {name} is not listed in {MANIFEST}")
        return self.path / name

    def samples(self) -> tuple[Sample, ...]:
        """The requests and answers of `samples.json`."""
        path = self.file(SAMPLES)
        content = read_json_file(path)
        try:
            return Samples.model_validate(orjson.loads(content)).samples
        except ValueError as error:
            raise BundleError(f"{path}: not a list of samples: {first_line(error)}") from error

    def model_card(self) -> str:
        """The text of `MODEL_CARD.md`."""
        return self.file(MODEL_CARD).read_text(encoding="utf-8")


def versions(folder: Path) -> list[int]:
    """Versions of one model (`models/<name>`), lowest first; entries that are no integer are not versions."""
    return sorted(int(entry.name) for entry in folder.iterdir() if re.fullmatch(r"[1-9][0-9]{0,8}", entry.name))


def read_bundle(path: Path) -> Bundle:
    """Verify the bundle in `path` and return it.

    Raises:
        BundleError: the manifest or a file is missing, unreadable, altered, not listed or of an unknown format.
    """
    manifest = _read_manifest(path / MANIFEST)
    if (path.parent.name, path.name) != (manifest.name, str(manifest.version)):
        raise BundleError(f"{path / MANIFEST}: is of {manifest.name}/{manifest.version}, not of this folder")
    _check_required(manifest, path / MANIFEST)
    with _readable(path):
        unlisted = sorted({entry.name for entry in path.iterdir()} - {MANIFEST} - set(manifest.files))
    if unlisted:
        raise BundleError(f"{path / unlisted[0]}: is not listed in {MANIFEST}; remove it or export the model again")
    for name, expected in manifest.files.items():
        _verify_file(path / name, expected)
    return Bundle(path=path, manifest=manifest)


@contextmanager
def open_unaltered(path: Path, hashes: Mapping[str, str]) -> Iterator[Bundle]:
    """The bundle in a folder whose files have the hashes that were written down, and keep them in the block.

    Args:
        path: the folder.
        hashes: sha256 by file name, that of the manifest included.

    Raises:
        BundleError: a file is missing, unreadable or altered.
    """
    before = {}
    for name, expected in hashes.items():
        with _readable(path / name):
            actual, before[name] = sha256_of_plain_file(path / name)
        if actual != expected:
            raise BundleError(f"{path / name}: was altered since it was verified; load the model again")
    yield read_manifest_of(path)
    for name, status in before.items():
        with _readable(path / name):
            if _identity((path / name).lstat()) != status:
                raise BundleError(f"{path / name}: was changed while it was opened; load the model again")


def is_unaltered(path: Path, hashes: Mapping[str, str]) -> bool:
    """Whether the files in a folder are there and have the hashes that were written down."""
    try:
        return all(sha256_of_plain_file(path / name)[0] == expected for name, expected in hashes.items())
    except OSError:
        return False


def sha256_of_plain_file(path: Path) -> tuple[str, tuple[int, ...]]:
    """The sha256 of a file, and what tells whether it is changed later. Raises OSError for what is no plain file."""
    with open_plain_file(path) as stream:
        identity = _identity(os.fstat(stream.fileno()))
        return hashlib.file_digest(stream, "sha256").hexdigest(), identity


def open_plain_file(path: Path) -> BufferedReader:
    """Open a file to read. Raises OSError for a link, a folder or a pipe, which could keep the reader waiting."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    return os.fdopen(descriptor, "rb")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_manifest_of(path: Path) -> Bundle:
    """The bundle in a folder as its manifest describes it; its files are not verified.

    Raises:
        BundleError: the manifest is missing or unreadable.
    """
    return Bundle(path=path, manifest=_read_manifest(path / MANIFEST))


class BundleDraft:
    """A bundle that a predictor can open, still without its samples, model card and version."""

    def __init__(self, folder: Path, staging: Path, manifest: Manifest) -> None:
        self.bundle = Bundle(path=staging, manifest=manifest)
        """The bundle in its temporary folder."""
        self._folder = folder

    def publish(
        self, samples: Sequence[Sample], card: str, *, manifest: Manifest | None = None, after: int = 0
    ) -> Bundle:
        """Add `samples.json` and `MODEL_CARD.md`, and make the draft the next version of its model.

        Args:
            samples: requests with their answers; at least one.
            card: the text of the model card.
            manifest: replaces the draft's manifest, where metrics or preprocessing were decided after it was opened;
                `version` and `files` are set here.
            after: a version that it follows, though it may not be in this repository.

        Returns:
            The bundle in its final place, verified.
        """
        assert samples, "a bundle needs at least one sample"
        assert manifest is None or manifest.name == self.bundle.manifest.name
        with attribute_write_errors(self._folder, temporary=self.bundle.path):
            return self._complete({SAMPLES: write_samples(samples), MODEL_CARD: card.encode()}, manifest, after)

    def _complete(self, files: Mapping[str, bytes | Path], manifest: Manifest | None = None, after: int = 0) -> Bundle:
        staging, hashes = self.bundle.path, dict(self.bundle.manifest.files)
        hashes |= {name: _store(staging / name, content) for name, content in files.items()}
        complete = _with_files(manifest or self.bundle.manifest, hashes)
        _check_required(complete, self._folder)
        while True:
            version = max([after, *versions(self._folder)]) + 1
            final = complete.model_copy(update={"version": version})
            _store(staging / MANIFEST, orjson.dumps(final.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
            staging.chmod(0o755)
            try:
                staging.rename(self._folder / str(version))
            except OSError:
                if not (self._folder / str(version)).exists():
                    raise
                continue  # Another writer took this number first.
            return read_bundle(self._folder / str(version))


@contextmanager
def draft_bundle(
    repository: Path, manifest: Manifest, files: Mapping[str, bytes | Path], *, link: bool = False
) -> Iterator[BundleDraft]:
    """Write files into a temporary folder beside the bundle's final place, to be tried and then published.

    A draft that is not published leaves nothing behind. An existing version is never touched.

    Args:
        repository: the model repository, for example `models/`; created if it does not exist.
        manifest: its `version` and `files` are set here, whatever they were.
        files: content by file name: every graph, and what else the task needs. Content too large for memory is passed
            as the path of a file, which is copied.
        link: hard-link such files instead, where the file system can: only for files made for this bundle, as a later
            change of them would change the bundle.
    """
    # Checked before the first byte is written: a file name might lead out of the folder.
    _with_files(manifest, dict.fromkeys(files, _NO_HASH))
    folder = repository / manifest.name
    staging = _staging_folder(folder)
    try:
        with attribute_write_errors(folder, temporary=staging):
            hashes = {name: _store(staging / name, content, link=link) for name, content in files.items()}
        yield BundleDraft(folder, staging, _with_files(manifest, hashes))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()  # Succeeds only if the folder is empty, i.e. no version was ever published.


def write_bundle(repository: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write the next version of `manifest.name` into `repository` and return it, verified.

    Args:
        repository: the model repository; created if it does not exist.
        manifest: its `version` and `files` are set here, whatever they were.
        files: content by file name as for `draft_bundle`, with `samples.json` and `MODEL_CARD.md`.
    """
    _check_required(_with_files(manifest, dict.fromkeys(files, _NO_HASH)), repository / manifest.name)
    last = {name: files[name] for name in (SAMPLES, MODEL_CARD)}
    with draft_bundle(repository, manifest, {name: files[name] for name in files.keys() - last.keys()}) as draft:
        return draft._complete(last)


def check_model_name(name: str) -> str:
    """Return `name` if it can name a model; raise ValueError saying what can."""
    if not is_model_name(name):
        raise ValueError(f"model name {name!r}: use lower-case letters, digits, '.', '_' and '-', at most 64")
    return name


def _read_manifest(path: Path) -> Manifest:
    content = read_json_file(path)
    try:
        document = orjson.loads(content)
    except ValueError as error:
        raise BundleError(f"{path}: not valid JSON ({error}); copy the bundle again") from error
    format_version = document.get("format_version") if isinstance(document, dict) else None
    if format_version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format_version {format_version!r} is unknown, this release reads {FORMAT_VERSION}; "
            "export the model again or use the release that wrote it"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{path}: {first_line(error)}") from error


def _check_required(manifest: Manifest, where: Path) -> None:
    if MANIFEST in manifest.files:
        raise BundleError(f"{where}: {MANIFEST} cannot list itself")
    for required in (SAMPLES, MODEL_CARD):
        if required not in manifest.files:
            raise BundleError(f"{where}: {required} is not listed; export the model again")


def _verify_file(path: Path, expected: str) -> None:
    _check_plain(path)
    with _readable(path):
        actual = _sha256(path)
    if actual != expected:
        raise BundleError(
            f"{path}: sha256 is {actual[:12]}…, the manifest says {expected[:12]}…: "
            "the file was altered or only half copied; copy the bundle again"
        )


def read_json_file(path: Path) -> bytes:
    """The content of the manifest or of another JSON file of a bundle."""
    _check_plain(path)
    with _readable(path), path.open("rb") as stream:
        content = stream.read(_MAX_JSON_BYTES + 1)
    if len(content) > _MAX_JSON_BYTES:
        raise BundleError(f"{path}: is larger than {_MAX_JSON_BYTES >> 20} MiB; export the model again")
    return content


def _check_plain(path: Path) -> None:
    """Refuse what is no plain file: a link could lead anywhere, and reading a pipe or a device might never end."""
    with _readable(path):
        mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise BundleError(f"{path}: is a link, a folder or a device; a bundle holds plain files")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BundleError(f"{path}: is missing; copy the bundle again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _with_files(manifest: Manifest, hashes: Mapping[str, str]) -> Manifest:
    """The manifest with these files, validated again; its version is still to be set."""
    draft = manifest.model_copy(
        update={"version": 1, "files": dict(sorted(hashes.items())), "format_version": FORMAT_VERSION}
    )
    return Manifest.model_validate(draft.model_dump())


def _staging_folder(folder: Path) -> Path:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        except FileNotFoundError:
            continue  # Another writer gave up its draft and removed the folder.


def _store(path: Path, content: bytes | Path, *, link: bool = False) -> str:
    """Write a file, wait until it is on disk, and return its sha256."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif not (link and _hard_link(content, path)):
        shutil.copyfile(content, path)
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hard_link(source: Path, path: Path) -> bool:
    """Make `path` the same file as `source`; False where the file system cannot."""
    try:
        os.link(source.resolve(strict=True), path)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def first_line(error: Exception) -> str:
    """The first line of an error's message; for a `ValidationError` its first error, with the field's path."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        message = "is not a field" if first["type"] == "extra_forbidden" else first["msg"]
        return f"{'.'.join(str(part) for part in first['loc'])}: {message}".lstrip(": ")
    return str(error).partition("\n")[0] or type(error).__name__
