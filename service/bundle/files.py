"""Reading and writing bundles: `models/<name>/<version>/`.

A bundle is data, never code. It is written next to its final place and renamed into it, so that a reader sees all of
it or nothing; every file is named with its sha256 in the manifest, so that a reader knows what it got.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from service.bundle.manifest import FORMAT_VERSION, Manifest, is_model_name

MANIFEST = "manifest.json"
SAMPLES = "samples.json"
MODEL_CARD = "MODEL_CARD.md"


class BundleError(ValueError):
    """A bundle that cannot be used: the message names the file and the reason."""


class Sample(BaseModel):
    """A request as the task route's JSON body, and the `results` of its answer (on OpenAI's routes its `data`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: str | None = None
    """Which of the task's routes (`/v1/similarity`); left out where the task has one."""
    request: dict[str, JsonValue]
    results: list[JsonValue]


class Samples(BaseModel):
    """The content of `samples.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: tuple[Sample, ...] = Field(min_length=1)


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
        with _readable(path):
            content = path.read_bytes()
        try:
            return Samples.model_validate(orjson.loads(content)).samples
        except ValueError as error:
            raise BundleError(f"{path}: not a list of samples: {_first_line(error)}") from error

    def model_card(self) -> str:
        """The text of `MODEL_CARD.md`."""
        return self.file(MODEL_CARD).read_text(encoding="utf-8")


def versions(folder: Path) -> list[int]:
    """Versions of one model (`models/<name>`), lowest first; folders that are no integer are not versions."""
    return sorted(int(entry.name) for entry in folder.iterdir() if re.fullmatch(r"[1-9]\d{0,8}", entry.name))


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


def write_bundle(repository: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write the next version of `manifest.name` into `repository` and return it, verified.

    `manifest.version` and `manifest.files` are set here, whatever they were. An existing version is never touched.

    Args:
        repository: the model repository, for example `models/`; made where absent.
        files: content by file name: every graph, `samples.json`, `MODEL_CARD.md` and what else the task needs. What is
            too large for memory is given as the path of a file, which is copied.
    """
    folder = repository / manifest.name
    hashes = {name: _sha256(content) for name, content in sorted(files.items())}
    draft = manifest.model_copy(update={"version": 1, "files": hashes, "format_version": FORMAT_VERSION})
    # Checked before the first byte is written: a file name might lead out of the folder.
    Manifest.model_validate(draft.model_dump())
    _check_required(draft, folder)
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        for name, content in files.items():
            _write_synced(staging / name, content)
        while True:
            version = max(versions(folder), default=0) + 1
            final = draft.model_copy(update={"version": version})
            _write_synced(staging / MANIFEST, orjson.dumps(final.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
            staging.chmod(0o755)
            try:
                staging.rename(folder / str(version))
            except OSError:
                if not (folder / str(version)).exists():
                    raise
                continue  # Another writer took this number first.
            return read_bundle(folder / str(version))
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def check_model_name(name: str) -> str:
    """Return `name` if it can name a model; raise ValueError saying what can."""
    if not is_model_name(name):
        raise ValueError(f"model name {name!r}: use lower-case letters, digits, '.', '_' and '-', at most 64")
    return name


def _read_manifest(path: Path) -> Manifest:
    with _readable(path):
        content = path.read_bytes()
    try:
        document = orjson.loads(content)
    except ValueError as error:
        raise BundleError(f"{path}: not valid JSON ({error}); copy the bundle again") from error
    found = document.get("format_version") if isinstance(document, dict) else None
    if found != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format_version {found!r} is unknown, this release reads {FORMAT_VERSION}; "
            "export the model again or use the release that wrote it"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{path}: {_first_line(error)}") from error


def _check_required(manifest: Manifest, where: Path) -> None:
    if MANIFEST in manifest.files:
        raise BundleError(f"{where}: {MANIFEST} cannot list itself")
    for required in (SAMPLES, MODEL_CARD):
        if required not in manifest.files:
            raise BundleError(f"{where}: {required} is not listed; export the model again")


def _verify_file(path: Path, expected: str) -> None:
    with _readable(path):
        # A link could lead anywhere, and reading a pipe would wait for ever.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path}: is a link, a folder or a device; a bundle holds plain files")
    with _readable(path):
        found = _sha256(path)
    if found != expected:
        raise BundleError(
            f"{path}: sha256 is {found[:12]}…, the manifest says {expected[:12]}…: "
            "the file was altered or only half copied; copy the bundle again"
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BundleError(f"{path}: is missing; copy the bundle again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error


def _sha256(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_synced(path: Path, content: bytes | Path) -> None:
    with path.open("wb") as stream:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, stream, 1 << 20)
        else:
            stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".lstrip(": ")
    return str(error).partition("\n")[0]
