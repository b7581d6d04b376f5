"""ModelRepository: which versions of which models should serve. Decided once for all processes of a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, first_line, versions
from service.bundle.manifest import is_model_name
from service.errors import ConfigurationError, InvalidRequest, LecternError, NotReady, UnknownModel
from service.limits import variable
from service.runtime.cpus import available_cpus
from service.runtime.providers import resolve
from service.serving import served_model
from service.serving.folder_watch import FolderWatch
from service.serving.helper_process import HelperProcess, PreparationFailure, shared_helper
from service.serving.preparation_job import PreparationJob
from service.serving.prepared_cache import CacheFolder
from service.serving.states import ModelVersions, PreparedVersion, Publish, RepositoryState
from service.settings import Settings, model_key
from service.version_policy import VersionPolicy

log = logging.getLogger(__name__)

_NICENESS = 10
"""Loads beside requests get less of the CPU than these."""


class ModelRepository:
    """Looks at the folder of models, applies the version policy, has versions prepared and says what should serve.

    It opens no model itself. Loads of one model wait for each other, those of different models do not.

    Args:
        settings: the settings of the service.
        publish: makes every process of the server serve what a state says.
        helper: runs the preparations; by default the one that this process shares.
    """

    def __init__(self, settings: Settings, publish: Publish, helper: HelperProcess | None = None) -> None:
        self._settings = settings
        self._publish = publish
        self._helper = helper or shared_helper()
        self._policy = VersionPolicy.parse(settings.version_policy)
        self._cache: CacheFolder | None = None
        self._models: dict[str, ModelVersions] = {}
        self._pins: dict[str, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._preparing: set[asyncio.Task[PreparedVersion]] = set()
        self._watch: FolderWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopped = False
        self._started = False
        self._changes = 0

    @property
    def state(self) -> RepositoryState:
        """What should be served now."""
        return RepositoryState(models=dict(self._models))

    @property
    def cache(self) -> Path | None:
        """The folder of prepared versions, once one is needed."""
        return self._cache.path if self._cache is not None else None

    async def start(self) -> None:
        """Load every model of the repository; does nothing a second time.

        Raises:
            ConfigurationError: the repository is missing, unreadable or has no model that loads; or, with `strict`,
                any version is bad. Names every reason.
        """
        if self._started:
            return
        root = self._settings.models
        names = _model_names(root)
        if not names:
            raise ConfigurationError(
                f"model repository {root} holds no model; train one with `lectern-train` or set LECTERN_MODELS"
            )
        self._check_settings(names)
        self._open_cache()
        slots = asyncio.Semaphore(max(2, available_cpus()))

        async def load(name: str) -> None:
            async with slots:
                model = self._models[name] = await self._prepare(name, ModelVersions(), niceness=0)
            # At once: it is opened while others are prepared.
            if model.prepared and (reason := (await self._publish(self.state)).get(name)) is not None:
                self._models[name] = self._refused(model, reason)

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(load(name))
        self._check_problems()
        await self._publish(self.state)
        self._hold()
        self._started = True

    def watch(self) -> None:
        """Begin to load new versions as they are put into the repository, if the settings ask for it."""
        if self._settings.watch and self._watch is None:
            self._watch = FolderWatch(self._settings.models, self._load_new)
            self._watching = asyncio.get_running_loop().create_task(self._watch.run())

    async def load(self, name: str, version: int | None = None) -> None:
        """Load versions of `name`, new or again, and replace those that serve; they serve until the new ones do.

        Args:
            name: the model.
            version: the only version to serve from now on; None: those that the version policy asks for.

        Raises:
            UnknownModel: no such folder in the repository, or no such version.
            InvalidRequest: the highest of these versions is bad; says why, and which one serves all the same.
            NotReady: the server is shutting down.
        """
        # A task of its own: the load goes on when the client that asked for it leaves.
        await _finish(self._load(name, version), f"load-{name}")

    async def unload(self, name: str) -> None:
        """Take `name` out of service. Requests in flight are answered; new ones get NotReady."""
        await _finish(self._unload(name), f"unload-{name}")

    def stop(self) -> None:
        """Give up the loads in progress, and start no more: the server is shutting down."""
        self._stopped = True
        if self._watch is not None and self._watching is not None:
            self._watch.close()
            self._watching.cancel()
        for task in self._preparing:
            task.cancel()

    async def close(self) -> None:
        """Give up what is in progress, and remove temporary files."""
        self.stop()
        if self._preparing:
            await asyncio.wait(self._preparing)
        if self._cache is not None:
            self._cache.close()

    async def _load_new(self, name: str) -> None:
        """Load what was put into the repository, unless the model was unloaded or one version was asked for."""
        model = self._models.get(name)
        if name not in self._pins and not (model is not None and model.unloaded and model.task is not None):
            await self.load(name)

    async def _load(self, name: str, version: int | None) -> None:
        if not (is_model_name(name) and (self._settings.models / name).is_dir()):
            raise UnknownModel(f"no model {name!r} in the model repository")
        async with self._lock(name):
            before = self._models.get(name, ModelVersions(unloaded=True))
            self._check_version(name, version)
            if not before.prepared:
                await self._change(name, before.model_copy(update={"loading": True, "unloaded": False}))
            try:
                candidate = await self._prepare(name, before, version, niceness=_NICENESS)
            except BaseException:
                self._models[name] = before
                await self._change(name, before)
                raise
            if not candidate.prepared:
                kept = candidate.model_copy(update={"prepared": before.prepared, "unloaded": before.unloaded})
                await self._change(name, kept)
                raise InvalidRequest(f"model {name!r} cannot be loaded: {candidate.reason()}")
            if (reason := (await self._change(name, candidate)).get(name)) is not None:
                await self._change(name, self._refused(candidate, reason, before))
                raise InvalidRequest(f"model {name!r} cannot be loaded: {reason}")
            self._pins.pop(name, None)
            if version is not None:
                self._pins[name] = version
            self._report_bad(name, candidate)

    async def _unload(self, name: str) -> None:
        if name not in self._models:
            raise UnknownModel(f"no model {name!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
        async with self._lock(name):
            model = self._models[name]
            reasons = model.reasons | dict.fromkeys((*model.versions, *model.prepared), "unloaded")
            changed = {"prepared": {}, "reasons": reasons, "unloaded": True, "loading": False}
            await self._change(name, model.model_copy(update=changed))

    async def _prepare(
        self, name: str, before: ModelVersions, pinned: int | None = None, *, niceness: int
    ) -> ModelVersions:
        """Prepare the versions of a model that should serve, the highest first, and record why others do not."""
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
                prepared[version] = await self._prepare_version(folder / str(version), niceness)
            except Exception as error:  # Whatever is wrong with one bundle, the others are to serve.
                if self._stopped:
                    raise
                reasons[version] = self._refuse(name, version, error)
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
            task=some.task if some else before.task,
            selectors=some.selectors if some else before.selectors,
        )

    async def _prepare_version(self, path: Path, niceness: int) -> PreparedVersion:
        """Prepare one version in a helper process."""
        if self._stopped:
            raise NotReady("the server is shutting down", retry_after=5)
        work = self._helper.prepare(
            self._job(path),
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
        self._changes += 1
        return prepared.model_copy(update={"load": self._changes})

    def _open_cache(self) -> Path | None:
        if self._cache is None:
            self._cache = CacheFolder(self._settings.cache)
        return self._cache.path

    def _job(self, path: Path) -> PreparationJob:
        settings, name = self._settings, path.parent.name
        own = settings.for_model(name)
        assert own.providers is not None
        assert own.inline is not None
        return PreparationJob(
            path=path.absolute(),
            cache=self._open_cache(),
            providers=own.providers,
            threads=settings.threads,
            cpus=max(1, available_cpus() // settings.workers),
            inline=own.inline,
            inline_threshold_seconds=served_model.INLINE_THRESHOLD_SECONDS,
            strict=settings.strict,
            limits=settings.limits_for(name),
        )

    async def _change(self, name: str, model: ModelVersions) -> dict[str, str]:
        """Decide what should serve of one model, and have it served."""
        self._changes += 1
        self._models[name] = model.model_copy(update={"revision": self._changes})
        reasons = dict(await self._publish(self.state))
        self._hold()
        return reasons

    def _hold(self) -> None:
        """Keep the entries of the cache that serve from being removed by other servers."""
        if self._cache is not None:
            prepared = (one for model in self._models.values() for one in model.prepared.values())
            self._cache.hold(one.folder for one in prepared)

    def _refused(self, model: ModelVersions, reason: str, before: ModelVersions | None = None) -> ModelVersions:
        """A model whose prepared versions a process could not open: what served before serves."""
        self._changes += 1
        reasons = model.reasons | dict.fromkeys(model.prepared, reason)
        kept = before.prepared if before is not None else {}
        return model.model_copy(
            update={
                "revision": self._changes,
                "prepared": kept,
                "reasons": {version: text for version, text in reasons.items() if version not in kept},
                "refused": tuple({*model.refused, *model.prepared} - {*kept}),
                "unloaded": before is not None and before.unloaded,
            }
        )

    def _refuse(self, name: str, version: int, error: Exception) -> str:
        """Log why a version does not serve, and return it."""
        foreseen = isinstance(error, BundleError | LecternError | PreparationFailure)
        reason = str(error) if foreseen else f"it fails with {type(error).__name__}: {first_line(error)}"
        fields: dict[str, Any] = {"model": name, "version": version, "reason": reason}
        if isinstance(error, PreparationFailure) and error.traceback:
            fields["exception"] = error.traceback
        log.error("bundle refused", exc_info=None if foreseen else error, extra={"fields": fields})
        return reason

    def _report_bad(self, name: str, model: ModelVersions) -> None:
        """Raise InvalidRequest where a version above those that serve is bad."""
        highest, bad = max(model.prepared), max(model.refused, default=0)
        if bad > highest:
            reason = f"version {bad} of model {name!r} cannot be loaded: {model.reasons[bad]}"
            raise InvalidRequest(f"{reason}; version {highest} serves")

    def _check_version(self, name: str, version: int | None) -> None:
        folder = self._settings.models / name
        with suppress(OSError):
            if version is not None and version not in (on_disk := versions(folder)):
                there = ", ".join(map(str, on_disk)) or "none"
                raise UnknownModel(f"no version {version} of model {name!r}; there are: {there}")

    def _check_settings(self, names: list[str]) -> None:
        """Refuse execution providers that onnxruntime does not know; warn of settings for models that are not there."""
        _resolve("providers", self._settings.providers)
        known = {model_key(name) for name in names}
        for key, own in self._settings.model.items():
            if own.providers is not None:
                _resolve(f"model__{key}__providers", own.providers)
            if key not in known:
                fields = {"variable": variable(f"model__{key}__…"), "models": names}
                log.warning("settings for a model that is not there", extra={"fields": fields})

    def _check_problems(self) -> None:
        """Raise ConfigurationError where no model serves, or where one is bad and the settings are strict."""
        problems = list(self._problems())
        if not any(model.prepared for model in self._models.values()):
            raise ConfigurationError(
                f"no model can be served from {self._settings.models}:\n  " + "\n  ".join(problems)
            )
        if problems and self._settings.strict:
            raise ConfigurationError("LECTERN_STRICT=1 and not every bundle is good:\n  " + "\n  ".join(problems))

    def _problems(self) -> Iterator[str]:
        """Every version that is bad, with the reason."""
        for name, model in sorted(self._models.items()):
            if 0 in model.reasons:
                yield f"{name}: {model.reasons[0]}"
            for version in sorted(model.refused):
                yield f"{name}/{version}: {model.reasons[version]}"
            if not model.versions and not model.reasons:
                yield f"{name}: has no version folder (1, 2, …); copy the model again or remove its folder"

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


async def _finish(work: Any, name: str) -> None:
    """Run work to its end in a task of its own, also when whoever waits for it is cancelled."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # Perhaps nobody waits any longer.
    await asyncio.shield(task)


def _resolve(setting: str, providers: tuple[str, ...]) -> None:
    """Raise ConfigurationError, naming the variable, where onnxruntime knows no such execution provider."""
    try:
        resolve(providers)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable(setting)}={','.join(providers)}: {error}") from error


def _model_names(root: Path) -> list[str]:
    """Names of the models in a repository.

    Raises:
        ConfigurationError: it is missing or cannot be read.
    """
    try:
        return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and is_model_name(entry.name))
    except FileNotFoundError as error:
        raise ConfigurationError(f"model repository {root} does not exist; set LECTERN_MODELS") from error
    except OSError as error:
        raise ConfigurationError(
            f"model repository {root} cannot be read ({error.strerror}); set LECTERN_MODELS"
        ) from error
