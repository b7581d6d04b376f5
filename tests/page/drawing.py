"""Drawing on the pad of the panel Draw."""

from __future__ import annotations

from playwright.sync_api import Page


def draw(page: Page, *points: tuple[float, float]) -> None:
    """Draw a stroke with the mouse, through points as shares of the pad."""
    box = page.locator(".pad canvas").bounding_box()
    assert box is not None
    for index, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        if index == 0:
            page.mouse.down()
    page.mouse.up()
