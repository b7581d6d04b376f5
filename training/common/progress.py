"""Progress bars, silent where no terminal is watching."""

import sys
from typing import Any

from tqdm import tqdm


def bar(*, total: int | None, text: str, unit: str, scaled: bool = False) -> "tqdm[Any]":
    """A progress bar on standard error: shown on a terminal only, so that logs stay readable."""
    return tqdm(
        total=total, desc=text, unit=unit, unit_scale=scaled, leave=False, disable=not sys.stderr.isatty(),
        dynamic_ncols=True,
    )  # fmt: skip
