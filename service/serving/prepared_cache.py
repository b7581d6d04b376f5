"""Prepared versions in the cache: copies of bundles with optimized graphs, by what they were made from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.serving.cache_entries import CacheEntries, CacheEntry, CacheKind
from service.serving.states import PreparedVersion


class PreparedCache:
    """The prepared versions in one folder.

    Args:
        root: LECTERN_CACHE, or the temporary folder that takes its place.
    """

    def __init__(self, root: Path) -> None:
        self._entries = CacheEntries(root, CacheKind.PREPARED)

    def find(self, key: Sequence[str]) -> PreparedVersion | None:
        """The version made from `key`, if there is one and its files are undamaged; else what is there is removed."""
        entry = self._entries.find(key)
        if entry is None:
            return None
        try:
            return _version(entry)
        except (ValueError, TypeError):
            self._entries.remove(key)
            return None

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to prepare a version in; it is removed unless `keep` took it."""
        with self._entries.staging() as folder:
            yield folder

    def keep(self, key: Sequence[str], staging: Path, prepared: PreparedVersion) -> PreparedVersion:
        """Make a folder from `staging` the version of `key`, and return that as it is kept."""
        return _version(self._entries.keep(key, staging, prepared.model_dump(mode="json", exclude={"folder", "files"})))


def _version(entry: CacheEntry) -> PreparedVersion:
    return PreparedVersion.model_validate({**entry.content, "folder": entry.folder, "files": dict(entry.files)})
