"""ModelRegistry: the models that this process serves."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator, Mapping
from functools import partial

from service.bundle.files import BundleError, first_line
from service.bundle.manifest import Task
from service.errors import DeviceLost, InvalidRequest, LecternError, UnknownModel
from service.observability import Metrics
from service.runtime.memory import expect_free_memory
from service.serving.loader import ModelLoader
from service.serving.registered_model import RegisteredModel, Version
from service.serving.selection import only_match
from service.serving.served_model import ServedModel
from service.serving.states import IdleModel, IndexEntry, ModelVersions, PreparedVersion, RepositoryState
from service.settings import Settings

log = logging.getLogger(__name__)


class ModelRegistry:
    """Opens the versions that should serve, replaces and retires them, and finds the one that answers a request.

    Args:
        settings: the settings of the service.
        metrics: the metrics that models report to.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._default_models = settings.default_models
        self._aliases = settings.models_by_alias
        self._models: dict[str, RegisteredModel] = {}
        self._serving: list[ServedModel] = []
        self._lookups: dict[tuple[Task | None, str | None, Version], ServedModel] = {}
        """What `find` found without selectors, until what serves changes."""
        self._loader = ModelLoader(settings, metrics)
        self._closing: set[asyncio.Task[None]] = set()
        self._exits_on_device_error = settings.exit_on_device_error
        self.device_lost = False
        """Whether a device failed in a way that only another process gets over."""

    async def apply(self, state: RepositoryState) -> dict[str, str]:
        """Serve what a state says. States may come in any order: of each model the newest counts.

        Returns once that is so, and once the last request to an unloaded model is answered.

        Returns:
            Why a model does not serve as the state says, by name; it serves as before then.
        """
        names = list(state.models)
        reasons = await asyncio.gather(*(self._apply(name, state.models[name]) for name in names))
        return {name: reason for name, reason in zip(names, reasons, strict=True) if reason is not None}

    def find(
        self, task: Task | None = None, name: str | None = None, version: Version = None, **selectors: str | None
    ) -> ServedModel:
        """Find the model that answers a request.

        Args:
            task: the task of the route; None takes a model of any task.
            name: name or alias (`LECTERN_MODEL_ALIASES`) of the model; None takes the first of
                `LECTERN_DEFAULT_MODELS` that fits task and selectors, else the only model.
            version: None takes the highest version that serves.
            **selectors: required values of the model's selectors (`source="en"`); None is ignored.

        Raises:
            UnknownModel: no such model or version, or none of the task.
            NotReady: the model does not serve now.
            InvalidRequest: it is of another task, does not fit the selectors, or several models do.
        """
        if selectors:
            return self._find(task, name, version, selectors)
        served = self._lookups.get((task, name, version))
        if served is None:
            served = self._lookups[task, name, version] = self._find(task, name, version, {})
        return served

    def _find(
        self, task: Task | None, name: str | None, version: Version, selectors: Mapping[str, str | None]
    ) -> ServedModel:
        requested = {field: value for field, value in selectors.items() if value is not None}
        if name is None:
            name = self._default_model(task, requested) or self._only_match(task, requested)
        elif name not in self._models:
            name = self._aliases.get(name, name)
        served = self._model(name).version(version)
        if task is not None and served.manifest.task != task:
            raise InvalidRequest(
                f"model {name!r} is of the task {served.manifest.task.value!r}, not {task.value!r}", "model"
            )
        for selector, value in requested.items():
            own = served.predictor.selectors.get(selector)
            if own != value:
                raise InvalidRequest(
                    f"model {name!r} has {selector} {own!r}; send that or leave {selector} out", selector
                )
        return served

    def serving(self, task: Task | None = None) -> list[ServedModel]:
        """The highest version of every model that serves, by name; only those of a task, where one is named."""
        if task is None:
            return list(self._serving)
        return [served for served in self._serving if served.manifest.task == task]

    def all_serving(self) -> list[ServedModel]:
        """Every version that serves, by name and number."""
        return [served for _, model in sorted(self._models.items()) for served in model.served.values()]

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are on disk or serve, as text."""
        return [str(version) for version in self._models[name].known]

    def index(self) -> Iterator[IndexEntry]:
        """Every version of every model, with its state and, where it does not serve, the reason."""
        for _, model in sorted(self._models.items()):
            yield from model.index()

    def idle(self) -> list[IdleModel]:
        """The models of the repository of which no version serves, by name."""
        return [one for _, model in sorted(self._models.items()) if (one := model.idle()) is not None]

    def ready(self) -> bool:
        """Whether every model that should serve does."""
        return bool(self._models) and not self.missing()

    def missing(self) -> list[str]:
        """Names of the models that should serve and do not, with the reason where they load or their sample fails."""
        missing = []
        for name, model in sorted(self._models.items()):
            if failing := next(iter(model.failing.values()), ""):
                missing.append(f"{name} ({failing})")
            elif not (model.served or model.wanted.unloaded):
                missing.append(f"{name} (it is loading)" if model.wanted.loading else name)
        return missing

    def failing(self, name: str, version: str) -> str:
        """Why the canary sample of a version fails; empty if it does not."""
        return self._models[name].failing.get(int(version), "") if name in self._models else ""

    def set_failing(self, served: ServedModel, reason: str) -> None:
        """Record why the canary sample of a version fails; empty: it does not."""
        model, version = self._models[served.name], int(served.version)
        model.failing.pop(version, None)
        if reason and model.served.get(version) is served:
            model.failing[version] = reason

    async def close(self) -> None:
        """Wait for the requests in flight, then release all threads."""
        for served in self.all_serving():
            await served.close()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _apply(self, name: str, wanted: ModelVersions) -> str | None:
        """Serve what is wanted of one model; the reason, where that is not possible."""
        model = self._models.setdefault(name, RegisteredModel(name))
        self._lookups.clear()  # As whenever something changes that `find` looks at.
        async with model.lock:
            if wanted.revision < model.wanted.revision:
                return None
            new = {v: p for v, p in wanted.prepared.items() if model.loads.get(v) != p.load}
            try:
                opened = await self._open(new)
            except Exception as error:  # Whatever happened to this model, the others go on.
                reason = self._refuse(name, error)
                if not model.served:
                    model.wanted = wanted.refused_for(reason)
                    self._lookups.clear()
                    self._report(name, model, {})
                return reason
            if model.highest is not None:
                for new_version in opened.values():
                    new_version.records.admission.learn_from(model.highest.records.admission)
            kept = {v: served for v, served in model.served.items() if v in wanted.prepared and v not in opened}
            retired = {v: served for v, served in model.served.items() if v not in kept}
            model.wanted = wanted
            model.served = dict(sorted((kept | opened).items()))
            model.failing = {v: reason for v, reason in model.failing.items() if v in kept}
            model.loads = {version: prepared.load for version, prepared in wanted.prepared.items()}
            self._list_serving()
            self._report(name, model, retired)
            closing = [self._retire(model, version, served) for version, served in retired.items()]
            del kept, retired, opened
        if wanted.unloaded and closing:
            await asyncio.wait(closing)
        return None

    async def _open(self, prepared: Mapping[int, PreparedVersion]) -> dict[int, ServedModel]:
        opened: dict[int, ServedModel] = {}
        try:
            for version, one in prepared.items():
                opened[version] = await asyncio.to_thread(self._loader.open, one)
                opened[version].records.on_device_lost = partial(self._lose, one.name)
        except BaseException:
            for served in opened.values():
                await served.close()
            raise
        return opened

    def _lose(self, name: str, error: DeviceLost) -> None:
        """Take a model out of service whose device fails every run; the process may end for its supervisor."""
        model = self._models[name]
        if not model.served:  # Another of its requests said so before.
            return
        log.critical("device lost", exc_info=error, extra={"fields": {"model": name, "reason": str(error)}})
        model.wanted = model.wanted.refused_for(str(error))
        retired, model.served, model.loads, model.failing = model.served, {}, {}, {}
        self._list_serving()
        self._report(name, model, retired)
        for version, served in retired.items():
            self._retire(model, version, served)
        self.device_lost = True
        if self._exits_on_device_error:
            signal.raise_signal(signal.SIGTERM)

    def _list_serving(self) -> None:
        self._serving = [served for _, each in sorted(self._models.items()) if (served := each.highest)]
        self._lookups.clear()

    def _refuse(self, name: str, error: Exception) -> str:
        """Log why a prepared version cannot be opened, and return it."""
        foreseen = isinstance(error, BundleError | LecternError)
        reason = str(error) if foreseen else f"it fails with {type(error).__name__}: {first_line(error)}"
        fields = {"model": name, "reason": reason}
        log.error("model cannot be opened", exc_info=None if foreseen else error, extra={"fields": fields})
        return reason

    def _report(self, name: str, model: RegisteredModel, retired: Mapping[int, ServedModel]) -> None:
        """Say in the metrics which versions serve, and which were to and do not."""
        for version in {*retired, *model.wanted.refused} - set(model.served):
            self._metrics.model_ready.labels(name, str(version)).set(0)
        for version in model.served:
            self._metrics.model_ready.labels(name, str(version)).set(1)

    def _retire(self, model: RegisteredModel, version: int, served: ServedModel) -> asyncio.Task[None]:
        """Close a version once its last request is answered."""
        if model.wanted.unloaded:
            model.retiring.add(version)
        task = asyncio.get_running_loop().create_task(served.close())
        self._closing.add(task)

        def closed(done: asyncio.Task[None]) -> None:
            self._closing.discard(done)
            model.retiring.discard(version)
            expect_free_memory()

        task.add_done_callback(closed)
        return task

    def _model(self, name: str) -> RegisteredModel:
        model = self._models.get(name)
        if model is None:
            raise UnknownModel(f"no model {name!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
        return model

    def _default_model(self, task: Task | None, requested: Mapping[str, str]) -> str | None:
        """The first default model that fits, also if it does not serve now: another model would answer differently."""
        for name in self._default_models if task is not None else ():
            model = self._models.get(name)
            if model is None:
                continue
            served = model.highest
            its_task = model.wanted.task if served is None else served.manifest.task
            selectors = (model.wanted.selectors or {}) if served is None else served.predictor.selectors
            if its_task == task and requested.items() <= selectors.items():
                return name
        return None

    def _only_match(self, task: Task | None, requested: Mapping[str, str]) -> str:
        """The name of the only model of a task that fits the selectors."""
        candidates = self.serving(task)
        if not any(requested.items() <= served.predictor.selectors.items() for served in candidates):
            self._check_waiting(task, requested)
        if not candidates:
            raise UnknownModel(f"no model for the task {task.value if task else 'asked'!r} is served")
        return only_match(candidates, requested).name

    def _check_waiting(self, task: Task | None, requested: Mapping[str, str]) -> None:
        """Raise NotReady where a model that would fit does not serve now."""
        for _, model in sorted(self._models.items()):
            wanted = model.wanted
            # Until it is loaded for the first time nobody knows its selectors.
            fits = (wanted.loading and wanted.selectors is None) or requested.items() <= (
                wanted.selectors or {}
            ).items()
            if task is not None and wanted.task == task and fits and not model.served:
                model.version(None)
