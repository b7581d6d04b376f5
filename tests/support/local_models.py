"""The models of one process without an application: what decides and what serves, together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from service.observability import Metrics
from service.serving.preparation_job import PreparationJob
from service.serving.preparer import job_of
from service.serving.registry import ModelRegistry
from service.serving.repository import ModelRepository
from service.settings import Settings


class LocalModels(ModelRegistry):
    """A registry with the repository that decides what it serves."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Metrics())
        self.settings = settings
        self.repository = ModelRepository(settings, self.apply)

    def job(self, path: Path) -> PreparationJob:
        """What the helper process is asked to do for the bundle at this path."""
        return job_of(self.settings, path, self.repository.preparer.open_cache())

    def load_all(self) -> None:
        """Load the models as a server does when it starts."""
        asyncio.run(self.repository.start())

    async def load(self, name: str, version: int | None = None) -> None:
        """Load a model."""
        await self.repository.load(name, version)

    async def unload(self, name: str) -> None:
        """Unload a model."""
        await self.repository.unload(name)

    async def close(self) -> None:
        """Release everything."""
        await self.repository.close()
        await super().close()


def local_models(repository: Path, **settings: Any) -> LocalModels:
    """Models over a repository, not yet loaded."""
    return LocalModels(Settings(models=repository, **settings))
