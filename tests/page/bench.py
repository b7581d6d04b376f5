"""`make bench-page`: what a person waits for, by the browser's own measures, each beside its bar.

Every panel is opened in fresh windows of a phone's, a laptop's and a projector's size: first paint, layout shift, bytes
transferred. Then, over many tries, the time from the first touch of a pen to bars on screen, from its last move to the
bars of the whole stroke, and from a key to the tagged text. A time begins where the browser got the event, before the
page heard of it, and ends in the frame that shows the answer, after the page has painted it. Meanwhile no request is
intercepted, as the page's tests do: that adds a detour through this process to each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.browser import MAX_SHIFT, SIZES, launch, watch_shift, window
from tests.page.panels import PANELS
from tests.support.processes import ROOT, server

MAX_FIRST_PAINT_MS = 1_000
MAX_TRANSFER = 300_000
MAX_STROKE_MS = 100

_LOADED = """() => {
  const own = performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/page/'));
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  const [document_] = performance.getEntriesByType('navigation');
  return {
    paint: paint.startTime,
    shift: window.shift,
    transfer: own.reduce((sum, entry) => sum + entry.transferSize, document_.transferSize),
  };
}"""
# From the event on `source` to the end of the frame that shows the answer.
_TIME = """([event, source, selector]) => {
  window.times = [];
  let began = null;
  let before = '';
  const shown = () => document.querySelector(selector)?.textContent ?? '';
  document.addEventListener(event, ({ target, timeStamp }) => {
    if (began !== null || !target.closest(source)) return;
    began = timeStamp;
    before = shown();
  }, { capture: true });
  new MutationObserver(() => {
    if (began === null || !shown() || shown() === before) return;
    const start = began;
    began = null;
    requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - start)));
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""
# From the last move of the pen to the end of the frame from which nothing newer is awaited.
_SETTLED = """() => {
  let moved = null;
  document.addEventListener('pointermove', ({ buttons, timeStamp }) => {
    if (buttons) moved = timeStamp;
  }, { capture: true });
  new MutationObserver(() => {
    const answer = document.querySelector('.answer');
    if (moved === null || answer.getAttribute('aria-busy') !== 'false' || !answer.querySelector('.bars')) return;
    const last = moved;
    requestAnimationFrame(() => setTimeout(() => { window.settled = performance.now() - last; }));
  }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-busy'] });
}"""


def load(browser: Browser, url: str, address: str, size: str, ready: str) -> dict[str, Any]:
    """Open a panel for the first time, and wait until its example is answered."""
    with window(browser, url, size=SIZES[size]) as page:
        watch_shift(page)
        page.goto(f"/{address}")
        page.locator(ready).first.wait_for()
        page.wait_for_timeout(1_000)
        measured: dict[str, Any] = page.evaluate(_LOADED)
        return measured


@contextmanager
def answered(browser: Browser, url: str, address: str, selector: str) -> Iterator[Page]:
    """A panel whose example is answered, in a window that intercepts nothing."""
    size = SIZES["laptop"]
    context = browser.new_context(viewport={"width": size.width, "height": size.height}, base_url=url)
    try:
        page = context.new_page()
        page.goto(f"/{address}")
        page.locator(selector).first.wait_for()
        page.wait_for_timeout(500)
        yield page
    finally:
        context.close()


def strokes(browser: Browser, url: str, tries: int) -> tuple[list[float], list[float]]:
    """Draw lines on an empty pad, each beginning at another place.

    Returns:
        Milliseconds from the first touch of the pen to bars, and from its last move to the bars of the whole stroke.
    """
    whole = []
    with answered(browser, url, "#/draw", ".answer .bars") as page:
        # Not the bars that hold the room of the first answer, unseen.
        page.evaluate(_TIME, ["pointerdown", ".pad", ".answer :not(.awaited) > .predictions .bars"])
        page.evaluate(_SETTLED)
        for index in range(tries):
            page.get_by_role("button", name="Clear").click()
            page.locator(".answer .bars").wait_for(state="detached")
            box = page.locator(".pad canvas").bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] * (0.3 + 0.02 * (index % 10)), box["y"] + box["height"] * 0.2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 40, y + box["height"] * 0.6, steps=10)
            page.mouse.up()
            page.locator(".answer[aria-busy=false] .bars").wait_for()
            page.wait_for_timeout(100)
            whole.append(page.evaluate("() => window.settled"))
        return page.evaluate("() => window.times"), whole


def keys(browser: Browser, url: str, tries: int) -> list[float]:
    """Type letters, and return the milliseconds from each to the tagged text that has it."""
    with answered(browser, url, "#/tag?text=Ada+", ".marked") as page:
        page.evaluate(_TIME, ["input", "textarea", ".marked"])
        for index in range(tries):
            field = page.get_by_label("Text", exact=True)
            field.press("End")
            field.press("abcdefghij"[index % 10])
            page.wait_for_timeout(700)
        measured: list[float] = page.evaluate("() => window.times")
        return measured


def row(name: str, value: float, bar: float | None, unit: str) -> bool:
    """Print a figure and whether it meets its bar; returns that."""
    met = bar is None or value <= bar
    limit = "" if bar is None else f"   bar {bar:g} {unit}: {'met' if met else 'MISSED'}"
    print(f"{name:<44} {value:>10.4g} {unit:<6}{limit}", flush=True)
    return met


def main() -> int:
    """Measure, and return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lectern", type=Path, required=True, help="the program lectern that serves")
    parser.add_argument("--tries", type=int, default=50, help="strokes and keys")
    options = parser.parse_args()
    python, command = str(options.lectern.absolute().parent / "python"), (str(options.lectern.absolute()), "serve")
    met = []
    with server(ROOT / "models", python=python, program=command) as process, sync_playwright() as playwright:
        url = process.wait_for("serving")["address"]
        browser = launch(playwright)
        for panel in PANELS:
            for size in SIZES:
                found = load(browser, url, panel.address, size, panel.ready)
                met.append(row(f"{panel.name}, {size}: first paint", found["paint"], MAX_FIRST_PAINT_MS, "ms"))
                met.append(row(f"{panel.name}, {size}: layout shift", found["shift"], MAX_SHIFT, ""))
                met.append(row(f"{panel.name}, {size}: transfer", found["transfer"], MAX_TRANSFER, "bytes"))
        touched, whole = strokes(browser, url, options.tries)
        row("first touch of the pen to bars, median", median(touched), None, "ms")
        met.append(row("first touch of the pen to bars, p95", quantiles(touched, n=20)[-1], MAX_STROKE_MS, "ms"))
        row("last move of the pen to its bars, median", median(whole), None, "ms")
        met.append(row("last move of the pen to its bars, p95", quantiles(whole, n=20)[-1], MAX_STROKE_MS, "ms"))
        waited = keys(browser, url, options.tries)
        row("key to tagged text (200 ms of it wait), median", median(waited), None, "ms")
        browser.close()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
