"""ModelRegistry: the models of the repository, their serving versions, and their loading and unloading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.bundle.files import BundleError, first_line, versions
from service.bundle.manifest import Task, is_model_name
from service.errors import ConfigurationError, InvalidRequest, LecternError, NotReady, UnknownModel
from service.observability import Metrics
from service.serving.loader import ModelLoader
from service.serving.selection import only_match
from service.serving.served_model import ServedModel
from service.serving.states import IndexEntry, ModelState, State
from service.settings import Settings

log = logging.getLogger(__name__)

Version = str | int | None


class ModelRegistry:
    """Loads, verifies, warms up, swaps and looks up models.

    Args:
        settings: the settings of the service.
        metrics: the metrics that models report to.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._models: dict[str, ModelState] = {}
        self._lock = asyncio.Lock()
        self._loader = ModelLoader(settings, metrics)
        self._closing: set[asyncio.Task[None]] = set()
        self._loaded = False

    def load_all(self) -> None:
        """Load the highest good version of every model in the repository; does nothing a second time.

        Raises:
            ConfigurationError: the repository is missing, unreadable or has no model that loads; or, with `strict`,
                any version is bad. Names every reason.
        """
        if self._loaded:
            return
        root = self._settings.models
        names = _model_names(root)
        if not names:
            raise ConfigurationError(
                f"model repository {root} holds no model; train one with `lectern-train` or set LECTERN_MODELS"
            )
        self._loader.check_settings(names)
        for name in names:
            model = self._models.setdefault(name, ModelState())
            model.serving = self._load_newest(name, model)
        problems = list(self._problems())
        if not any(model.serving for model in self._models.values()):
            raise ConfigurationError(f"no model can be served from {root}:\n  " + "\n  ".join(problems))
        if problems and self._settings.strict:
            raise ConfigurationError("LECTERN_STRICT=1 and not every bundle is good:\n  " + "\n  ".join(problems))
        self._loaded = True

    def find(
        self, task: Task | None = None, name: str | None = None, version: Version = None, **selectors: str | None
    ) -> ServedModel:
        """Find the model that answers a request.

        Args:
            task: the task of the route; None takes a model of any task.
            name: None takes the only model of the task that fits the selectors.
            version: None takes the version that serves.
            **selectors: required values of the model's selectors (`source="en"`); None is ignored.

        Raises:
            UnknownModel: no such model or version, or none of the task.
            NotReady: the model does not serve now.
            InvalidRequest: it is of another task, does not fit the selectors, or several models do.
        """
        requested = {field: value for field, value in selectors.items() if value is not None}
        if name is None:
            name = self._only_match(task, requested)
        served = self._version(name, version)
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
        """All versions that serve, by name; only those of a task, where one is named."""
        models = [model.serving for _, model in sorted(self._models.items()) if model.serving]
        return models if task is None else [served for served in models if served.manifest.task == task]

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are on disk, as text."""
        return [str(version) for version in self._models[name].versions]

    def index(self) -> Iterator[IndexEntry]:
        """Every version of every model, with its state and, where it does not serve, the reason."""
        for name, model in sorted(self._models.items()):
            for version in model.versions:
                served = model.serving is not None and model.serving.version == str(version)
                yield IndexEntry(
                    name=name,
                    version=str(version),
                    state=model.state if served or model.serving is None else State.UNAVAILABLE,
                    reason="" if served else model.reasons.get(version, "a higher version is served"),
                )

    def ready(self) -> bool:
        """Whether every model that should serve does."""
        return self._loaded and self.ready_names() == self._models.keys()

    def ready_names(self) -> set[str]:
        """Names of the models that serve, or were taken out of service on purpose."""
        return {name for name, model in self._models.items() if model.serving or model.unloaded}

    async def load(self, name: str) -> None:
        """Load the highest good version of `name`, new or again, and replace the one that serves.

        The current version keeps serving until the new one is ready; if none loads, it stays.

        Raises:
            UnknownModel: no such folder in the repository.
            InvalidRequest: the highest version is bad; says why, and which one serves all the same.
        """
        async with self._lock:
            if not (is_model_name(name) and (self._settings.models / name).is_dir()):
                raise UnknownModel(f"no model {name!r} in {self._settings.models}")
            current = self._models.get(name) or ModelState()
            candidate = ModelState(state=State.LOADING)
            if current.serving is None:
                current.state = State.LOADING
            try:
                candidate.serving = await asyncio.to_thread(self._load_newest, name, candidate)
            finally:
                current.state = State.READY if current.serving else State.UNAVAILABLE
            if candidate.serving is None:
                current.versions, current.reasons = candidate.versions, candidate.reasons
                raise InvalidRequest(f"model {name!r} cannot be loaded: {candidate.reason()}")
            self._models[name] = candidate
            if current.serving and current.serving.version != candidate.serving.version:
                self._metrics.model_ready.labels(name, current.serving.version).set(0)
            self._retire(current.serving)
            highest = candidate.versions[-1]
            if str(highest) != candidate.serving.version:
                reason = f"version {highest} of model {name!r} cannot be loaded: {candidate.reasons[highest]}"
                raise InvalidRequest(f"{reason}; version {candidate.serving.version} serves")

    async def unload(self, name: str) -> None:
        """Take `name` out of service. Requests in flight are answered; new ones get NotReady."""
        async with self._lock:
            if name not in self._models:
                raise UnknownModel(f"no model {name!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
            model = self._models[name]
            retired, model.serving = model.serving, None
            model.unloaded = True
            model.reasons.update(dict.fromkeys(model.versions, "unloaded"))
            if retired is None:
                return
            model.state = State.UNLOADING
            self._metrics.model_ready.labels(name, retired.version).set(0)
            await retired.close()
            model.state = State.UNAVAILABLE

    async def close(self) -> None:
        """Wait for the requests in flight, then release all threads."""
        for served in self.serving():
            await served.close()
        if self._closing:
            await asyncio.wait(self._closing)
        self._loader.close()

    def _load_newest(self, name: str, model: ModelState) -> ServedModel | None:
        """Load the highest version that is good; record why higher ones are not."""
        folder = self._settings.models / name
        model.state = State.LOADING
        try:
            model.versions = versions(folder)
        except OSError as error:
            model.reasons[0] = f"{folder} cannot be read ({error.strerror})"
        for version in reversed(model.versions):
            try:
                served = self._loader.load(folder / str(version))
            except Exception as error:  # Whatever is wrong with one bundle, the others are to serve.
                self._refuse(name, model, version, error)
                continue
            model.state = State.READY
            return served
        model.state = State.UNAVAILABLE
        return None

    def _refuse(self, name: str, model: ModelState, version: int, error: Exception) -> None:
        """Record and log why a version does not serve."""
        foreseen = isinstance(error, BundleError | LecternError)
        reason = str(error) if foreseen else f"it fails with {type(error).__name__}: {first_line(error)}"
        model.reasons[version] = reason
        serving = self._models[name].serving if name in self._models else None
        if serving is None or serving.version != str(version):
            self._metrics.model_ready.labels(name, str(version)).set(0)
        fields = {"model": name, "version": version, "reason": reason}
        log.error("bundle refused", exc_info=None if foreseen else error, extra={"fields": fields})

    def _retire(self, served: ServedModel | None) -> None:
        """Close a replaced version once its last request is answered."""
        if served is None:
            return
        task = asyncio.get_running_loop().create_task(served.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _version(self, name: str, version: Version) -> ServedModel:
        """The serving version of a model, which must be `version` where that is not None."""
        model = self._models.get(name)
        if model is None:
            raise UnknownModel(f"no model {name!r}; there are: {', '.join(sorted(self._models)) or 'none'}")
        serving = model.serving
        if version is not None and str(version) not in map(str, model.versions):
            raise UnknownModel(f"no version {version} of model {name!r}; there are: {_list(model.versions)}")
        if serving is None:
            raise NotReady(f"model {name!r} is not ready: {model.reason()}", retry_after=5)
        if version is not None and str(version) != serving.version:
            raise UnknownModel(f"version {version} of model {name!r} is not served; version {serving.version} is")
        return serving

    def _only_match(self, task: Task | None, requested: Mapping[str, str]) -> str:
        """The name of the only model of a task that fits the selectors."""
        candidates = self.serving(task)
        if not candidates:
            raise UnknownModel(f"no model for the task {task.value if task else 'asked'!r} is served")
        return only_match(candidates, requested).name

    def _problems(self) -> Iterator[str]:
        """Every version that is bad, with the reason."""
        for name, model in self._models.items():
            for version, reason in model.reasons.items():
                yield f"{name}/{version}: {reason}" if version else f"{name}: {reason}"
            if not model.versions and not model.reasons:
                yield f"{name}: has no version folder (1, 2, …); copy the model again or remove its folder"


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


def _list(items: list[int]) -> str:
    return ", ".join(map(str, items)) or "none"
