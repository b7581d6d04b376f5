"""Prepares versions again whose copies were removed or altered while the server runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.bundle.files import is_unaltered
from service.serving.states import ModelVersions, PreparedVersion

log = logging.getLogger(__name__)

_PAUSES = (0.0, 2.0, 10.0)
"""Seconds before each try to have a model served again; there are no more tries than these in `_PERIOD_SECONDS`."""
_PERIOD_SECONDS = 600.0


class RestoreTries:
    """Bounds how often a model is prepared again: something may damage its copies each time.

    Args:
        clock: as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, list[float]] = {}
        self._waiting: set[str] = set()

    async def wait(self, name: str) -> bool:
        """Wait for the next try of a model; False if there is to be none, or one that waits already."""
        recent = [begun for begun in self._begun.get(name, []) if self._clock() - begun < _PERIOD_SECONDS]
        if name in self._waiting:
            return False
        if len(recent) == len(_PAUSES):
            log.error(
                "model is not restored: its copies are damaged again and again", extra={"fields": {"model": name}}
            )
            return False
        self._begun[name] = [*recent, self._clock()]
        self._waiting.add(name)
        try:
            await asyncio.sleep(_PAUSES[len(recent)])
        finally:
            self._waiting.discard(name)
        return True


async def restored(
    model: ModelVersions, repository: Path, prepare: Callable[[Path], Awaitable[PreparedVersion]], *, serves: bool
) -> ModelVersions:
    """A model whose damaged copies were prepared again; the same object if none is damaged, or none can be prepared.

    Args:
        model: what should be served of it.
        repository: the folder of all models.
        prepare: prepares the version in a folder.
        serves: whether there are processes that serve it. They go on with what they have opened if the version is still
            the same: it keeps the number of its load.
    """
    again = {}
    for version, one in model.prepared.items():
        if await asyncio.to_thread(is_unaltered, one.folder, one.files):
            continue
        fields = {"model": one.name, "version": version}
        log.warning("copy of a model was removed or altered: it is prepared again", extra={"fields": fields})
        try:
            new = await prepare(repository / one.name / str(version))
        except Exception as error:  # Whatever it is, the other models go on.
            log.error("model is not prepared again", extra={"fields": {**fields, "reason": str(error)}})
            continue
        is_same = new.manifest_sha256 == one.manifest_sha256
        again[version] = _as_before(new, one) if serves and is_same else new
    return model.model_copy(update={"prepared": {**model.prepared, **again}}) if again else model


def _as_before(new: PreparedVersion, before: PreparedVersion) -> PreparedVersion:
    kept = ("load", "threads", "inline", "warm_up_seconds")
    return new.model_copy(update={name: getattr(before, name) for name in kept})
