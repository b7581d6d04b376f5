"""Loads versions that are put into the model repository while the server runs: the setting LECTERN_WATCH."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from service.bundle.files import MANIFEST, BundleError, read_manifest_of, versions
from service.bundle.manifest import is_model_name
from service.errors import LecternError

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 1.0
"""A version is loaded once its files have not changed for this long: it may still be copied."""
_LOOK_MILLISECONDS = 5_000
"""The folder is looked at after this time even if nothing seems to have changed: some file systems tell nothing."""
_RETRY_SECONDS = 5.0
"""The folder is watched again this long after watching it failed."""

Signature = tuple[tuple[str, int, int], ...]


class FolderWatch:
    """Watches the folder of models.

    A version is loaded once its manifest and all files that the manifest lists are there and have stopped changing. One
    that is refused is tried again when its files change.

    Args:
        root: the model repository.
        load: loads the versions of a model that should serve.
    """

    def __init__(self, root: Path, load: Callable[[str], Awaitable[None]]) -> None:
        self._root = root
        self._load = load
        self._seen = self._look()
        self._waiting: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        from watchfiles import awatch

        while True:
            try:
                events = awatch(self._root, step=200, rust_timeout=_LOOK_MILLISECONDS, yield_on_timeout=True)
                async for _ in events:
                    # In a thread, here and below: a folder with many files, or on a slow disk, takes long.
                    self._compare(await asyncio.to_thread(self._look))
            except Exception as error:  # The folder is gone, or too many folders are watched, or whatever else.
                log.warning("the model repository cannot be watched", extra={"fields": {"reason": str(error)}})
            await asyncio.sleep(_RETRY_SECONDS)

    def close(self) -> None:
        """Forget the versions that are still being copied."""
        for task in self._waiting.values():
            task.cancel()

    def _compare(self, looked: dict[str, dict[int, Signature]]) -> None:
        """Look which models have versions that were not seen before, or others than were seen."""
        for name, current in looked.items():
            if name not in self._waiting and any(self._seen.get(name, {}).get(v) != s for v, s in current.items()):
                task = asyncio.get_running_loop().create_task(self._settle(name))
                self._waiting[name] = task
                task.add_done_callback(partial(self._settled, name))

    async def _settle(self, name: str) -> None:
        """Wait until a model's folder has stopped changing, then load what is new and complete in it."""
        changed = time.monotonic()
        before = await asyncio.to_thread(self._signatures, name)
        while time.monotonic() - changed < _SETTLE_SECONDS:
            await asyncio.sleep(_SETTLE_SECONDS / 4)
            if (now := await asyncio.to_thread(self._signatures, name)) != before:
                before, changed = now, time.monotonic()
        seen = self._seen.get(name, {})
        complete = await asyncio.to_thread(self._complete, name, list(before))
        new = [version for version in complete if seen.get(version) != before[version]]
        self._seen[name] = {version: before[version] for version in complete}
        if not new:
            return
        log.info("new version found", extra={"fields": {"model": name, "versions": sorted(new)}})
        try:
            await self._load(name)
        except LecternError as error:
            log.warning("new version not loaded", extra={"fields": {"model": name, "reason": str(error)}})

    def _complete(self, name: str, versions: list[int]) -> set[int]:
        return {version for version in versions if _is_complete(self._root / name / str(version))}

    def _settled(self, name: str, task: asyncio.Task[None]) -> None:
        del self._waiting[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("new version not loaded", exc_info=error, extra={"fields": {"model": name}})

    def _look(self) -> dict[str, dict[int, Signature]]:
        try:
            names = [entry.name for entry in self._root.iterdir() if is_model_name(entry.name)]
        except OSError:
            return {}
        return {name: self._signatures(name) for name in names}

    def _signatures(self, name: str) -> dict[int, Signature]:
        """Size and time of every file of every version of a model."""
        folder = self._root / name
        try:
            folders = {version: folder / str(version) for version in versions(folder)}
            return {version: _signature(path) for version, path in folders.items() if path.is_dir()}
        except OSError:
            return {}


def _signature(folder: Path) -> Signature:
    """Size and time of every entry of a version, of a link those of the link. Empty where it cannot be read."""
    try:
        status = [(entry.name, entry.lstat()) for entry in sorted(folder.iterdir())]
    except OSError:  # Removed this moment, no folder, or not to be read: the other versions go on.
        return ()
    return tuple((name, one.st_size, one.st_mtime_ns) for name, one in status)


def _is_complete(folder: Path) -> bool:
    """Whether the manifest of a version and all files that it lists are there."""
    try:
        manifest = read_manifest_of(folder).manifest
    except BundleError:
        return (folder / MANIFEST).exists()  # It is wrong rather than missing: loading says how.
    return all((folder / name).exists() for name in manifest.files)
