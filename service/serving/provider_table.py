"""What `lectern models providers` prints: the execution provider of each model, and how to keep it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.bundle.files import BundleError
from service.errors import LecternError
from service.limits import variable
from service.runtime.provider_options import short_name
from service.runtime.providers import automatic, first_not_compiled_in
from service.serving.cache_folder import CacheFolder
from service.serving.helper_process import shared_helper
from service.serving.preparation_answer import PreparationFailure
from service.serving.preparer import job_of
from service.settings import Settings, model_key


def provider_lines(settings: Settings, paths: Sequence[Path]) -> Iterator[tuple[str, bool]]:
    """Yield a line for each version, and whether it can be served; what is not kept in LECTERN_CACHE is measured.

    Raises:
        ConfigurationError: other users may write to the folder of LECTERN_CACHE.
    """
    cache = CacheFolder(settings.cache, settings.max_cache_bytes) if settings.cache is not None else None
    try:
        for path in paths:
            yield _line(settings, path, cache.path if cache is not None else None)
    finally:
        if cache is not None:
            cache.close()


def _line(settings: Settings, path: Path, cache: Path | None) -> tuple[str, bool]:
    name, title = path.parent.name, f"{path.parent.name}/{path.name}"
    pin = variable(f"model__{model_key(name)}__providers")
    own = settings.for_model(name)
    assert own.providers is not None
    if [provider.lower() for provider in own.providers] != ["auto"]:
        setting = settings.variable_for(name, "providers")
        if (lack := first_not_compiled_in(own.providers)) is not None:
            asked = f"{setting}={','.join(own.providers)}"
            return f"{title}: {asked}: {lack}", not settings.strict
        return f"{title}: {','.join(own.providers)} (set by {setting})", True
    if len(automatic()) < 2:
        return f"{title}: {short_name(automatic()[0])} (the only provider of this onnxruntime)", True
    work = shared_helper().prepare(
        job_of(settings, path, cache), seconds=settings.load_seconds, memory_bytes=settings.load_memory_bytes
    )
    try:
        choice = asyncio.run(work).provider_choice
    except (BundleError, LecternError, PreparationFailure) as error:
        return f"{title}: {error}", False
    assert choice is not None
    return f"{title}: {choice.describe()}; to keep it: {pin}={short_name(choice.provider)}", True
