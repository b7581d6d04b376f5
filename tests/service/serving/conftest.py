"""Registries of models without an application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_models import LocalModels, local_models


@pytest.fixture
def make_registry() -> Iterator[Callable[..., LocalModels]]:
    """Make a registry over a repository, not yet loaded, with some settings; it is closed after the test."""
    registries: list[LocalModels] = []

    def make(repository: Path, **settings: Any) -> LocalModels:
        registries.append(local_models(repository, **settings))
        return registries[-1]

    yield make
    for registry in registries:
        asyncio.run(registry.close())
