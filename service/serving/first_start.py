"""What a model repository does once, when the server starts: looks at its folder, and judges what was loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.bundle.files import versions
from service.bundle.manifest import is_model_name
from service.errors import ConfigurationError
from service.limits import variable
from service.runtime.engine_cache import check_caches
from service.runtime.provider_options import parse_options, short_name
from service.runtime.providers import is_compiled_in, resolve, runtime_version
from service.serving.preparer import task_of
from service.serving.states import ModelVersions
from service.settings import Settings, model_key

log = logging.getLogger(__name__)

_TURN_SECONDS = 5.0
"""Time that a model gets before another one is begun beside it."""


def model_names(root: Path) -> list[str]:
    """Names of the models in a repository.

    Raises:
        ConfigurationError: it is missing, cannot be read or holds no model.
    """
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and is_model_name(entry.name))
    except FileNotFoundError as error:
        raise ConfigurationError(f"model repository {root} does not exist; set LECTERN_MODELS") from error
    except OSError as error:
        raise ConfigurationError(
            f"model repository {root} cannot be read ({error.strerror}); set LECTERN_MODELS"
        ) from error
    if not names:
        raise ConfigurationError(
            f"model repository {root} holds no model; train one with `lectern-train` or set LECTERN_MODELS"
        )
    return names


def check_settings(settings: Settings, names: list[str]) -> None:
    """Refuse execution providers that onnxruntime does not know, and options that a provider does not.

    Settings for models that are not there, and options of providers that no model asks for, are only warned of.

    Raises:
        ConfigurationError: naming the variable.
    """
    check_provider_settings(settings)
    known = {model_key(name) for name in names}
    for key in settings.model.keys() - known:
        fields: dict[str, object] = {"variable": variable(f"model__{key}__…"), "models": names}
        log.warning("settings for a model that is not there", extra={"fields": fields})
    for setting, idle in sorted(_idle_options(settings, names)):
        fields = {"variable": setting, "provider": short_name(idle), "compiled_in": is_compiled_in(idle)}
        log.warning("options of an execution provider that no model asks for", extra={"fields": fields})


def check_provider_settings(settings: Settings) -> None:
    """Refuse execution providers that onnxruntime does not know, and options that a provider does not.

    Raises:
        ConfigurationError: naming the variable.
    """
    _resolve("providers", settings.providers)
    _parse("provider_options", settings.provider_options)
    for key, own in settings.model.items():
        if own.providers is not None:
            _resolve(f"model__{key}__providers", own.providers)
        if own.provider_options is not None:
            _parse(f"model__{key}__provider_options", own.provider_options)


def _idle_options(settings: Settings, names: list[str]) -> set[tuple[str, str]]:
    """Pairs of a variable of options and a provider in it that no model which the variable is for asks for."""
    configured: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    for name in names:
        own = settings.for_model(name)
        assert own.providers is not None
        assert own.provider_options is not None
        setting = settings.variable_for(name, "provider_options")
        configured |= {(setting, provider) for provider in parse_options(own.provider_options)}
        used |= {(setting, provider) for provider in resolve(own.providers)}
    return configured - used


def check_problems(settings: Settings, models: Mapping[str, ModelVersions]) -> None:
    """Raise ConfigurationError where no model serves, or where one is bad and the settings are strict."""
    problems = list(_problems(models))
    if not any(model.prepared for model in models.values()):
        raise ConfigurationError(f"no model can be served from {settings.models}:\n  " + "\n  ".join(problems))
    if problems and settings.strict:
        raise ConfigurationError("LECTERN_STRICT=1 and not every bundle is good:\n  " + "\n  ".join(problems))


def _problems(models: Mapping[str, ModelVersions]) -> Iterator[str]:
    """Every version that is bad, with the reason."""
    for name, model in sorted(models.items()):
        if 0 in model.reasons:
            yield f"{name}: {model.reasons[0]}"
        for version in sorted(model.refused):
            yield f"{name}/{version}: {model.reasons[version]}"
        if not model.versions and not model.reasons:
            yield f"{name}: has no version folder (1, 2, …); copy the model again or remove its folder"


def before_loading(folder: Path) -> ModelVersions:
    """What is known of a model before it is loaded."""
    on_disk: list[int] = []
    with suppress(OSError):
        on_disk = versions(folder)
    return ModelVersions(versions=tuple(on_disk), task=task_of(folder, on_disk), loading=True)


def size_of(folder: Path) -> int:
    """Bytes of the highest version of a model; 0 where it cannot be read."""
    with suppress(OSError, IndexError):
        return sum(file.stat().st_size for file in (folder / str(versions(folder)[-1])).iterdir())
    return 0


@asynccontextmanager
async def turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the models that are prepared at the same time.

    It counts for some seconds only: a bad version may hang until its deadline, and the others do not wait for it.
    """
    await turns.acquire()
    ends = asyncio.get_running_loop().call_later(_TURN_SECONDS, turns.release)
    try:
        yield
    finally:
        if asyncio.get_running_loop().time() < ends.when():
            ends.cancel()
            turns.release()


def _resolve(setting: str, providers: tuple[str, ...]) -> None:
    """Raise ConfigurationError, naming the variable, where onnxruntime knows no such execution provider."""
    try:
        resolve(providers)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable(setting)}={','.join(providers)}: {error}") from error


def _parse(setting: str, text: str) -> None:
    """Raise ConfigurationError, naming the variable, where options are not as their providers take them."""
    try:
        check_caches(parse_options(text), runtime_version())
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable(setting)}: {error}") from error
