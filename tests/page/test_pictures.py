"""Pictures of every panel, which the documents show: taken here, so that they are true.

`make test-page ARGS=--pictures` renews them.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.page.browser import PATIENCE_MS, SIZES, Scheme, window
from tests.page.panels import PANELS, Shown
from tests.support.processes import ROOT

expect.set_options(timeout=PATIENCE_MS)

MAX_BYTES = 150_000
TAKEN = [*((size, "light") for size in SIZES), ("laptop", "dark")]


@pytest.mark.parametrize(("size", "scheme"), TAKEN)
@pytest.mark.parametrize("panel", PANELS, ids=[panel.name for panel in PANELS])
def test_a_picture_of_every_panel(
    browser: Browser, url: str, panel: Shown, size: str, scheme: Scheme, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = ROOT / "docs/pictures" if request.config.getoption("--pictures") else tmp_path
    folder.mkdir(exist_ok=True)
    with window(browser, url, size=SIZES[size], scheme=scheme) as page:
        panel.prepare(page)
        page.goto(f"/{panel.address}")
        if size == "projector":
            page.get_by_role("button", name="Projector size").click()
        expect(page.locator(panel.ready).first).to_be_visible()
        page.wait_for_timeout(500)
        session = page.context.new_cdp_session(page)
        picture = session.send("Page.captureScreenshot", {"format": "webp", "quality": 82})
    path = folder / f"page-{panel.name}-{size}{'-dark' if scheme == 'dark' else ''}.webp"
    path.write_bytes(base64.b64decode(picture["data"]))
    assert 5_000 < path.stat().st_size < MAX_BYTES
