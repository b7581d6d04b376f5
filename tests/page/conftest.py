"""Servers for the page, and Chromium."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.browser import chromium, launch, window
from tests.support.processes import ROOT, environment, server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lectern", type=Path, required=True, help="the program lectern that serves")
    parser.addoption("--pictures", action="store_true", help="renew the pictures in docs/pictures/")


def pytest_sessionstart() -> None:
    if chromium() is None:
        pytest.exit("the page's tests need Chromium: apt-get install chromium", returncode=2)


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    """The program `lectern`."""
    path: Path = request.config.getoption("--lectern")
    return path.absolute()


@pytest.fixture(scope="session")
def url(program: Path) -> Iterator[str]:
    """A server of the shipped models."""
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command, STRICT="1") as process:
        yield process.wait_for("serving")["address"]


@pytest.fixture(scope="session")
def keyed(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server of the shipped models that needs an API key, and the key."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    command = [program, "keys", "new", "apps", "--scope", "infer", "--file", path]
    made = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    python, serve = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=serve, API_KEYS=str(path)) as process:
        yield process.wait_for("serving")["address"], made.stdout.strip()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        yield launch(playwright)


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A window of a laptop's size; see `window`."""
    with window(browser, url) as page:
        yield page
