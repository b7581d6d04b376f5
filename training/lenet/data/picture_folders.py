"""Pictures in folders, one for each class: which files are read, and what is wrong with the others."""

from __future__ import annotations

import errno
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import (
    ImageError,
    ImagePreprocessing,
    decode_image,
    is_picture,
    normalize,
)
from training.common.errors import DatasetError
from training.common.line_faults import counted, left_out_note, refuse_all
from training.common.progress import progress_bar
from training.lenet.data.labeled_images import LabeledImages
from training.lenet.data.picture_notes import notes_on_names, notes_on_polarity, notes_on_repetitions
from training.lenet.network.model import SIDE

PICTURE_SUFFIXES = frozenset(
    {
        ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png",
        ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
"""Suffixes of files that are read as pictures, in lower case."""
_OTHER_PICTURES = frozenset(
    {
        ".arw", ".cr2", ".cr3", ".dng", ".eps", ".ico", ".jp2", ".jxl", ".jxr", ".nef", ".pbm", ".pdf", ".pgm", ".pnm",
        ".ppm", ".psd", ".svg", ".tga", ".xcf",
    }
)  # fmt: skip
"""Suffixes of pictures in formats that are not read: they are refused rather than skipped."""

_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that systems make beside the user's own."""

_BEGINNING = 4096
"""Bytes by which a file without a suffix is told to be a picture."""


@dataclass
class _Part:
    """The pictures of the class folders in one folder."""

    folder: Path
    files: list[tuple[Path, str]] = field(default_factory=list)
    """Files that are read, with their labels."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files that are no pictures, by suffix or kind."""
    beside: int = 0
    """Pictures that lie beside the class folders."""
    bad: list[str] = field(default_factory=list)
    """Pictures that cannot be read, each with its path and the reason."""
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)


def read_picture_folder(
    folder: Path, normalizer: Literal["mnist", "fit"], *, skip_bad: bool = False, sub_folders: bool = False
) -> tuple[LabeledImages, LabeledImages | None]:
    """Read pictures from one folder per class, which names the class; folders `train` and `test` may contain them.

    Pictures are decoded and normalized by the same functions as in serving. Files are skipped that are no pictures by
    their suffix, or without one by their first bytes, and hidden ones.

    Args:
        folder: the folder.
        normalizer: how pictures become 28x28.
        skip_bad: leave out pictures that cannot be read.
        sub_folders: pictures in folders within a class folder belong to the class.

    Raises:
        DatasetError: it names the folders or lists all bad pictures, with the remedy.
    """
    preprocessing = ImagePreprocessing(normalizer=normalizer, height=SIDE, width=SIDE)
    named = {entry.name.lower(): entry for entry in _folders(folder)}
    has_parts = "train" in named and bool(_folders(named["train"]))
    folders = [named[name] for name in ("train", "test") if name in named] if has_parts else [folder]
    parts = [_list_files(part, sub_folders=sub_folders) for part in folders]
    for part in parts:
        _read(part, preprocessing)
    if not skip_bad:
        faults = [fault for part in parts for fault in part.bad]
        refuse_all(faults, "bad picture", "repair or remove", "leave such pictures out with --skip-bad")
    train, *tests = [_labeled_images(part, normalizer) for part in parts]
    unread = sorted(entry.name for entry in named.values() if has_parts and entry not in folders)
    if unread:
        train.notes.append(f"{folder.name}: not read: {', '.join(unread)}; only train and test are")
    if not tests:
        return train, None
    shared = set(parts[0].digests).intersection(parts[1].digests)
    if shared:
        count = counted(sum(digest in shared for digest in parts[1].digests), "picture")
        train.notes.append(f"note: {count} of test are in train too, which makes the figures of test too good")
    return train, tests[0]


def _read(part: _Part, preprocessing: ImagePreprocessing) -> None:
    """Read the pictures of a part."""
    with progress_bar(total=len(part.files), description=f"reading {part.folder.name}", unit="pictures") as progress:
        for path, label in part.files:
            try:
                content = _content(path)
                part.images.append(_to_image(content, preprocessing))
                part.labels.append(label)
                part.paths.append(path.relative_to(part.folder))
                part.digests.append(hashlib.sha256(content).digest())
            except ImageError as error:
                part.bad.append(f"{path}: {error.reason.partition('; ')[0]}")
            except OSError as error:
                part.bad.append(f"{path}: cannot be read ({error.strerror})")
            progress.update()


def _labeled_images(part: _Part, normalizer: Literal["mnist", "fit"]) -> LabeledImages:
    """The images of a part, with notes on what was left out and what may be wrong.

    Raises:
        DatasetError: a class has no picture.
    """
    _check_classes(part)
    name, notes = part.folder.name, []
    if part.bad:
        faults = [fault.removeprefix(f"{part.folder}{os.sep}") for fault in part.bad]
        notes.append(left_out_note(name, len(faults), "bad picture", faults))
    if part.skipped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in part.skipped.most_common())
        notes.append(f"{name}: {counted(part.skipped.total(), 'file')} skipped that are no pictures: {kinds}")
    if part.beside:
        notes.append(f"{name}: {counted(part.beside, 'picture')} left out beside the class folders: without a class")
    images = np.stack(part.images)
    notes += notes_on_names(part.labels)
    notes += notes_on_repetitions(part.paths, part.labels, part.digests)
    if normalizer == "fit":
        notes += notes_on_polarity(images)
    return LabeledImages(images, part.labels, str(part.folder), notes)


def _content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: it cannot be read; a pipe, which could be waited for without end, neither.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()


def _to_image(content: bytes, preprocessing: ImagePreprocessing) -> NDArray[np.uint8]:
    """Decode and normalize a picture, uint8 [28, 28]."""
    return np.rint(normalize(decode_image(content), preprocessing) * 255).astype(np.uint8)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones and those of the system."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SYSTEM_FOLDERS
    )


def _list_files(folder: Path, *, sub_folders: bool) -> _Part:
    """The files of all class folders."""
    part = _Part(folder)
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir():
            kind = _kind(entry)
            part.skipped.update([kind] if kind else [])
            part.beside += not kind
    classes = _folders(folder)
    if len(classes) < 2:
        beside = f"; move the {counted(part.beside, 'picture')} beside them into folders" if part.beside else ""
        raise DatasetError(
            f"{folder}: has {len(classes)} folders of pictures; it needs one per class, at least two{beside}"
        )
    names = [_label(entry) for entry in classes]
    _check_names(folder, names)
    for entry, label in zip(classes, names, strict=True):
        for path in _files(entry, sub_folders=sub_folders):
            kind = _kind(path)
            if kind:
                part.skipped[kind] += 1
            elif path.suffix.lower() in _OTHER_PICTURES:
                part.bad.append(f"{path}: is in a format that is not read")
            else:
                part.files.append((path, label))
    return part


def _files(directory: Path, *, sub_folders: bool) -> Iterator[Path]:
    """The files of a class folder, with those of its sub-folders or without.

    Raises:
        DatasetError: a sub-folder has pictures that would be left out.
    """
    for parent, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SYSTEM_FOLDERS)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]  # they may lead in a circle
        paths = [Path(parent) / name for name in sorted([*files, *links])]
        if Path(parent) != directory and not sub_folders:
            if any(not _kind(path) for path in paths):
                raise DatasetError(
                    f"{parent}: is a folder with pictures within the class folder {directory.name!r}; if its pictures "
                    f"belong to that class, read them with --sub-folders; if it is a class, name {directory} in --data "
                    "or move it up"
                )
            continue
        yield from paths


def _kind(path: Path) -> str:
    """What a file is that is no picture: its suffix, `hidden` or `without a suffix`; empty for a picture."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_dir():
        return "links to folders"
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES or suffix in _OTHER_PICTURES:
        return ""
    if suffix:
        return suffix
    try:
        if path.is_file() and is_picture(_beginning(path)):
            return ""
    except OSError:
        pass
    return "without a suffix"


def _beginning(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_BEGINNING)


def _label(folder: Path) -> str:
    """The class that a folder names, in composed characters: macOS decomposes them.

    Raises:
        DatasetError: the name cannot be a label.
    """
    label = unicodedata.normalize("NFC", folder.name)
    if not label.isprintable() or label != label.strip():
        raise DatasetError(
            f"{os.fsencode(folder).decode(errors='backslashreplace')!r}: its name begins or ends with a space, or has "
            "characters that cannot be shown; rename the folder, whose name is the label"
        )
    return label


def _check_names(folder: Path, names: Sequence[str]) -> None:
    """Refuse two folders of one label."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DatasetError(
            f"{folder}: two folders are named {repeated[0]!r}, in composed and in decomposed characters; join them"
        )


def _check_classes(part: _Part) -> None:
    """Refuse classes without a picture."""
    missing = [entry for entry in _folders(part.folder) if _label(entry) not in part.labels]
    if missing:
        left_out = f" ({counted(len(part.bad), 'bad picture')} left out)" if part.bad else ""
        raise DatasetError(f"{missing[0]}: has no pictures{left_out}; add some or remove the folder")
