"""Preparer: has the versions of a model that should serve prepared, and records why the others do not serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, first_line, read_manifest_of, versions
from service.bundle.manifest import Task
from service.errors import LecternError, NotReady
from service.runtime.cpus import available_cpus
from service.serving import inline
from service.serving.cache_folder import CacheFolder
from service.serving.helper_process import HelperProcess
from service.serving.preparation_answer import PreparationFailure
from service.serving.preparation_job import PreparationJob
from service.serving.states import ModelVersions, PreparedVersion
from service.settings import Settings
from service.version_policy import VersionPolicy

log = logging.getLogger(__name__)


class Preparer:
    """Applies the version policy to the versions on disk, and has a helper process prepare those that should serve.

    Args:
        settings: the settings of the service.
        helper: runs the preparations.
    """

    def __init__(self, settings: Settings, helper: HelperProcess) -> None:
        self.helper = helper
        self._settings = settings
        self._policy = VersionPolicy.parse(settings.version_policy)
        self._cache: CacheFolder | None = None
        self._preparing: set[asyncio.Task[PreparedVersion]] = set()
        self._stopped = False
        self._loads = 0

    @property
    def cache(self) -> Path | None:
        """The folder of prepared versions, once one is needed."""
        return self._cache.path if self._cache is not None else None

    def open_cache(self) -> Path | None:
        """Open the folder of prepared versions; None where none can be written.

        Raises:
            ConfigurationError: other users may write to the folder that is set.
        """
        if self._cache is None:
            self._cache = CacheFolder(self._settings.cache, self._settings.max_cache_bytes)
        return self._cache.path

    def hold(self, entries: Iterable[Path]) -> None:
        """Keep the entries of the cache that serve from being removed by other servers; others are let go."""
        if self._cache is not None:
            self._cache.hold(entries)

    def stop(self) -> None:
        """Give up the preparations in progress, and start no more."""
        self._stopped = True
        for task in self._preparing:
            task.cancel()

    async def close(self) -> None:
        """Give up what is in progress, and remove temporary files."""
        self.stop()
        if self._preparing:
            await asyncio.wait(self._preparing)
        if self._cache is not None:
            self._cache.close()

    async def prepare(
        self, name: str, before: ModelVersions, pinned: int | None = None, *, niceness: int
    ) -> ModelVersions:
        """Prepare the versions of a model that should serve, the highest first.

        Args:
            name: the model.
            before: what is known of it.
            pinned: the only version to prepare; None: those that the version policy asks for.
            niceness: how much lower the priority of this is than that of the server.

        Raises:
            NotReady: the server is shutting down.
        """
        folder = self._settings.models / name
        prepared: dict[int, PreparedVersion] = {}
        reasons: dict[int, str] = {}
        refused: list[int] = []
        on_disk: list[int] = []
        try:
            on_disk = versions(folder)
        except OSError as error:
            reasons[0] = f"{folder} cannot be read ({error.strerror})"
            log.error("model folder refused", extra={"fields": {"model": name, "reason": reasons[0]}})
        candidates, wanted = self._policy.candidates(on_disk, pinned)
        if on_disk and not candidates:
            reasons[0] = f"no version of LECTERN_VERSION_POLICY={self._policy.text} is there"
        for version in candidates:
            if len(prepared) == wanted:
                break
            try:
                prepared[version] = await self.prepare_version(folder / str(version), niceness)
            except Exception as error:  # Whatever is wrong with one bundle, the others are to serve.
                if self._stopped:
                    raise
                reasons[version] = _refuse(name, version, error)
                refused.append(version)
        for version in on_disk:
            if version not in prepared and version not in reasons:
                reasons[version] = self._policy.left_out(version, sorted(prepared), pinned)
        some = next(iter(prepared.values()), None)
        return ModelVersions(
            versions=tuple(on_disk),
            prepared=prepared,
            reasons=reasons,
            refused=tuple(refused),
            task=some.task if some else task_of(folder, on_disk) or before.task,
            selectors=some.selectors if some else before.selectors,
        )

    async def prepare_version(self, path: Path, niceness: int) -> PreparedVersion:
        """Prepare one version in the helper process.

        Raises:
            BundleError: the bundle is bad, takes too long or too much memory.
            ConfigurationError: the settings do not allow serving it.
            NotReady: the server is shutting down.
            PreparationFailure: another error.
        """
        if self._stopped:
            raise NotReady("the server is shutting down", retry_after=5)
        work = self.helper.prepare(
            job_of(self._settings, path, self.open_cache()),
            seconds=self._settings.load_seconds,
            memory_bytes=self._settings.load_memory_bytes,
            niceness=niceness,
        )
        task = asyncio.get_running_loop().create_task(work)
        self._preparing.add(task)
        try:
            prepared = await task
        except asyncio.CancelledError:
            task.cancel()
            if not self._stopped:
                raise
            raise NotReady("the server is shutting down", retry_after=5) from None
        finally:
            self._preparing.discard(task)
        if prepared.notice:
            fields = {"model": prepared.name, "version": prepared.version, "reason": prepared.notice}
            log.warning("model is opened without a copy", extra={"fields": fields})
        self._loads += 1
        return prepared.model_copy(update={"load": self._loads})


def task_of(folder: Path, on_disk: Sequence[int]) -> Task | None:
    """The task of a model that need not serve: that of its highest version with a manifest that can be read."""
    for version in reversed(on_disk):
        with suppress(OSError, BundleError):
            return read_manifest_of(folder / str(version)).manifest.task
    return None


def job_of(settings: Settings, path: Path, cache: Path | None) -> PreparationJob:
    """What the helper process is asked to do for a version.

    Args:
        settings: the settings of the service.
        path: the bundle.
        cache: the folder of prepared versions; None: the bundle is opened where it is.
    """
    name = path.parent.name
    own = settings.for_model(name)
    assert own.providers is not None
    assert own.inline is not None
    assert own.provider_options is not None
    assert own.provider_choice is not None
    return PreparationJob(
        path=path.absolute(),
        cache=cache,
        providers=own.providers,
        provider_options=own.provider_options,
        provider_choice=own.provider_choice,
        threads=settings.threads,
        cpus=max(1, available_cpus() // settings.workers),
        inline=own.inline,
        inline_threshold_seconds=inline.INLINE_THRESHOLD_SECONDS,
        strict=settings.strict,
        limits=settings.limits_for(name),
    )


def _refuse(name: str, version: int, error: Exception) -> str:
    """Log why a version does not serve, and return it."""
    foreseen = isinstance(error, BundleError | LecternError | PreparationFailure)
    reason = str(error) if foreseen else f"it fails with {type(error).__name__}: {first_line(error)}"
    fields: dict[str, Any] = {"model": name, "version": version, "reason": reason}
    if isinstance(error, PreparationFailure) and error.traceback:
        fields["exception"] = error.traceback
    log.error("bundle refused", exc_info=None if foreseen else error, extra={"fields": fields})
    return reason
