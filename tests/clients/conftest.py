"""Servers for clients that have environments of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.servers import Address, KeyedServer, serving
from tests.support.processes import environment


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lectern", type=Path, required=True, help="the program lectern that serves")


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    """The program `lectern`."""
    path: Path = request.config.getoption("--lectern")
    return path.absolute()


@pytest.fixture(scope="session")
def address(program: Path) -> Iterator[Address]:
    """A server of the shipped models, one of which has OpenAI's name for another."""
    with serving(program, MODEL_ALIASES="text-embedding-3-small=words-en") as address:
        yield address


@pytest.fixture(scope="session")
def keyed(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedServer]:
    """A server of the shipped models that needs an API key."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    command = [program, "keys", "new", "apps", "--scope", "infer", "--file", path]
    made = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    with serving(program, API_KEYS=str(path)) as address:
        yield KeyedServer(address, made.stdout.strip())
