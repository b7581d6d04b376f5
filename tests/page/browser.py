"""Chromium with the page open: what every test asks of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Route

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
PATIENCE_MS = 30_000
"""Time for what a person waits for, on a machine that is busy with much else."""

_POLL_MS = 25

Scheme = Literal["light", "dark"]


class Size(NamedTuple):
    """Of a window, in pixels."""

    width: int
    height: int


SIZES = {"phone": Size(390, 844), "laptop": Size(1366, 768), "projector": Size(1920, 1080)}


def chromium() -> str | None:
    """The program of the system's Chromium; None if there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """Start Chromium."""
    # It runs as root in containers, where it has no sandbox.
    return playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])


@contextmanager
def window(
    browser: Browser,
    url: str,
    *,
    size: Size = SIZES["laptop"],
    scheme: Scheme = "light",
    touch: bool = False,
    expected: str = "",
) -> Iterator[Page]:
    """A window without any network but the server.

    It fails the test if anything was asked of another host, or if the page threw or wrote an error to the console.

    Args:
        browser: the browser.
        url: of the server.
        size: of the window.
        scheme: light or dark.
        touch: whether it is a touch screen.
        expected: a pattern of the errors that the test provokes.
    """
    faults: list[str] = []
    host = urlsplit(url).netloc

    def admit(route: Route) -> None:
        if urlsplit(route.request.url).netloc in (host, ""):
            route.fallback()
        else:
            faults.append(f"asked for {route.request.url}")
            route.abort()

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            faults.append(f"{message.type}: {message.text}")

    context = browser.new_context(
        viewport={"width": size.width, "height": size.height},
        color_scheme=scheme,
        has_touch=touch,
        base_url=url,
        locale="en-GB",
    )
    try:
        context.set_default_timeout(PATIENCE_MS)
        context.route("**/*", admit)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: faults.append(f"threw: {error}"))
        yield page
        unexpected = [fault for fault in faults if not (expected and re.search(expected, fault))]
        assert not unexpected, unexpected
    finally:
        context.close()


MAX_SHIFT = 0.0005
"""The layout shift (CLS) that counts as none: zero, as the tools round it."""


def watch_shift(page: Page) -> None:
    """Sum up in `window.shift` how much of what is drawn moves by itself, from the next navigation on."""
    page.add_init_script(
        """(() => {
          window.shift = 0;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
          }).observe({ type: 'layout-shift', buffered: true });
        })()"""
    )


def wait_until(page: Page, condition: str) -> None:
    """Wait until a condition in JavaScript holds.

    `Page.wait_for_function` evaluates it again within the page, whose policy forbids that.
    """
    for _ in range(PATIENCE_MS // _POLL_MS):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(_POLL_MS)
    pytest.fail(f"{condition} does not hold after {PATIENCE_MS} ms")


def violations(page: Page) -> list[str]:
    """What axe finds inaccessible in the page as it is."""
    # Evaluated by the debugger, which the page's policy does not forbid.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
        for each in result["violations"]
        for node in each["nodes"]
    ]
