"""The panels, as the pictures and the checks of accessibility open them: one entry each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page

from tests.page.correcting import save_label


class Shown(NamedTuple):
    """A panel in a state that is worth a picture."""

    name: str
    address: str
    """What follows the server's address."""
    ready: str
    """A selector of what is there once it is answered."""
    prepare: Callable[[Page], None] = lambda _: None
    """What a person did before."""


def _correct_two_digits(page: Page) -> None:
    save_label(page, "four or nine?", "9", "4")
    save_label(page, "seven", "7", "1")


PANELS = (
    Shown("draw", "#/draw", ".network .unit-labels"),
    Shown("tag", "#/tag", ".why .bars"),
    Shown("words", "#/words", ".map"),
    Shown("translate", "#/translate", ".attention .heatmap"),
    Shown("models", "#/models", ".graph svg"),
    Shown("teach", "#/teach", ".teach .card", _correct_two_digits),
)
