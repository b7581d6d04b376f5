"""The panels, as the pictures and the checks of accessibility open them: one entry each."""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """A panel in a state that is worth a picture."""

    name: str
    address: str
    """What follows the server's address."""
    ready: str
    """A selector of what is there once it is answered."""


PANELS = (
    Shown("draw", "#/draw", ".network .unit-labels"),
    Shown("tag", "#/tag", ".why .bars"),
    Shown("words", "#/words", ".map"),
    Shown("translate", "#/translate", ".attention .heatmap"),
    Shown("models", "#/models", ".graph svg"),
    Shown("teach", "#/teach", ".teach .empty"),
)
