"""axe finds nothing in any panel, with everything folded open, in light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.page.browser import PATIENCE_MS, SIZES, Scheme, violations, window
from tests.page.panels import PANELS, Shown

expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize("size", ["phone", "laptop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("panel", PANELS, ids=[panel.name for panel in PANELS])
def test_axe_finds_nothing(browser: Browser, url: str, panel: Shown, scheme: Scheme, size: str) -> None:
    with window(browser, url, size=SIZES[size], scheme=scheme) as page:
        panel.prepare(page)
        page.goto(f"/{panel.address}")
        expect(page.locator(panel.ready).first).to_be_visible()
        page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_timeout(300)
        assert violations(page) == []
        width = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, "the page never scrolls sideways"
