"""ModelRepository: which versions of which models should serve. Decided once for all processes of a server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.bundle.files import versions
from service.bundle.manifest import is_model_name
from service.errors import InvalidRequest, UnknownModel
from service.runtime.cpus import available_cpus
from service.serving import first_start
from service.serving.folder_watch import FolderWatch
from service.serving.helper_process import HelperProcess, shared_helper
from service.serving.preparer import Preparer
from service.serving.restoring import RestoreTries, restored
from service.serving.states import ModelVersions, PreparedVersion, Publish, RepositoryState
from service.settings import Settings

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
        self.preparer = Preparer(settings, helper or shared_helper())
        self._models: dict[str, ModelVersions] = {}
        self._pins: dict[str, int] = {}
        self._restores = RestoreTries()
        self._locks: dict[str, asyncio.Lock] = {}
        self._watch: FolderWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopped = False
        self._started = False
        self._loading: asyncio.Task[None] | None = None
        self._one_serves = asyncio.Event()
        self._changes = 0

    @property
    def state(self) -> RepositoryState:
        """What should be served now."""
        return RepositoryState(models=dict(self._models))

    @property
    def cache(self) -> Path | None:
        """The folder of prepared versions, once one is needed."""
        return self.preparer.cache

    async def begin(self) -> asyncio.Task[None]:
        """Begin to load every model of the repository, and return once one serves; with `strict`, once all do.

        Returns:
            The loading of the others, which goes on.

        Raises:
            ConfigurationError: as `start`.
        """
        loading = self._loading = asyncio.get_running_loop().create_task(self.start())
        first = asyncio.get_running_loop().create_task(self._one_serves.wait())
        await asyncio.wait({loading, first}, return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        if loading.done():
            loading.result()
        loading.add_done_callback(self._report_failure)
        return loading

    async def start(self) -> None:
        """Load every model of the repository; does nothing after a first call, or after `begin`.

        Raises:
            ConfigurationError: the repository is missing, unreadable or has no model that loads; or, with `strict`,
                any version is bad. Names every reason.
        """
        if self._started:
            return
        self._started = True
        root = self._settings.models
        names = first_start.model_names(root)
        first_start.check_settings(self._settings, names)
        self.preparer.open_cache()
        self._models = {name: first_start.before_loading(root / name) for name in names}
        turns = asyncio.Semaphore(max(2, available_cpus()))
        async with asyncio.TaskGroup() as group:
            # The largest first, as what is begun last should not take long.
            for name in sorted(names, key=lambda name: -first_start.size_of(root / name)):
                group.create_task(self._load_first(name, turns))
        if not self._one_serves.is_set():
            first_start.check_problems(self._settings, self._models)
        self._changes += 1
        await self._publish(self.state)
        self._hold()

    async def _load_first(self, name: str, turns: asyncio.Semaphore) -> None:
        """Load a model when the server starts. It serves before the others are loaded."""
        async with self._lock(name):
            async with first_start.turn(turns):
                model = await self.preparer.prepare(name, ModelVersions(), niceness=0)
            reason = await self._serve(name, model)
            if reason is not None:
                self._models[name] = self._refused(model, reason)
            elif model.prepared and not self._settings.strict:
                self._one_serves.set()

    def _report_failure(self, loading: asyncio.Task[None]) -> None:
        """Log what nobody waits for."""
        if not (self._stopped or loading.cancelled()) and (error := loading.exception()) is not None:
            log.error("loading failed", exc_info=error)

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

    async def restore(self, name: str) -> None:
        """Have a model served by a process that cannot open it: what is damaged of its copies is prepared again.

        The processes that have opened it go on serving it, whatever comes of this.
        """
        if await self._restores.wait(name):
            async with self._lock(name):
                await self._change(name, await self._restored(self._models[name], serves=True))

    def stop(self) -> None:
        """Give up the loads in progress, and start no more: the server is shutting down."""
        self._stopped = True
        if self._watch is not None and self._watching is not None:
            self._watch.close()
            self._watching.cancel()
        self.preparer.stop()
        if self._loading is not None:
            self._loading.cancel()

    async def close(self) -> None:
        """Give up what is in progress, and remove temporary files."""
        self.stop()
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)
        await self.preparer.close()

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
                candidate = await self.preparer.prepare(name, before, version, niceness=_NICENESS)
            except BaseException:
                self._models[name] = before
                await self._change(name, before)
                raise
            if not candidate.prepared:
                kept = candidate.model_copy(update={"prepared": before.prepared, "unloaded": before.unloaded})
                await self._change(name, kept)
                raise InvalidRequest(f"model {name!r} cannot be loaded: {candidate.reason()}")
            if (reason := await self._serve(name, candidate)) is not None:
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

    async def _change(self, name: str, model: ModelVersions) -> dict[str, str]:
        """Decide what should serve of one model, and have it served."""
        self._changes += 1
        self._models[name] = model.model_copy(update={"revision": self._changes})
        reasons = dict(await self._publish(self.state))
        self._hold()
        return reasons

    async def _serve(self, name: str, model: ModelVersions) -> str | None:
        """Have a model served; the reason where no process can open it, even after damaged copies were made again."""
        reason = (await self._change(name, model)).get(name)
        if reason is not None and (again := await self._restored(model, serves=False)) is not model:
            reason = (await self._change(name, again)).get(name)
        return reason

    async def _restored(self, model: ModelVersions, *, serves: bool) -> ModelVersions:
        async def prepare(path: Path) -> PreparedVersion:
            return await self.preparer.prepare_version(path, _NICENESS)

        return await restored(model, self._settings.models, prepare, serves=serves)

    def _hold(self) -> None:
        """Keep the entries of the cache that serve from being removed by other servers."""
        prepared = [one for model in self._models.values() for one in model.prepared.values()]
        self.preparer.hold(one.folder for one in prepared)

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

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


async def _finish(work: Any, name: str) -> None:
    """Run work to its end in a task of its own, also when whoever waits for it is cancelled."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # Perhaps nobody waits any longer.
    await asyncio.shield(task)
