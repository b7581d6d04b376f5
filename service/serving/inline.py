"""Whether a model runs in the event loop. Imports nothing heavy: a process that opens no models decides by it too."""

from __future__ import annotations

INLINE_THRESHOLD_SECONDS = 1e-3
"""A model whose ordinary request runs faster than this runs in the event loop.

Handing a run to a thread costs some 100 us, so a model well below this gains nothing from one; LeNet takes 30 us, the
recurrent networks take several ms, so that neither is near the threshold on any likely machine.
"""


def runs_inline(
    setting: str | None, warm_up_seconds: float, threshold_seconds: float = INLINE_THRESHOLD_SECONDS
) -> bool:
    """Whether a model runs in the event loop, by its setting and the time of its warm-up."""
    return setting == "always" or (setting == "auto" and warm_up_seconds < threshold_seconds)
