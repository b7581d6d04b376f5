"""Registries of models without an application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.observability import Metrics
from service.serving.registry import ModelRegistry
from service.settings import Settings


@pytest.fixture
def make_registry() -> Iterator[Callable[..., ModelRegistry]]:
    """Make a registry over a repository, not yet loaded, with some settings; it is closed after the test."""
    registries: list[ModelRegistry] = []

    def make(repository: Path, **settings: Any) -> ModelRegistry:
        registries.append(ModelRegistry(Settings(models=repository, **settings), Metrics()))
        return registries[-1]

    yield make
    for registry in registries:
        asyncio.run(registry.close())
