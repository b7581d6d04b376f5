"""Progress bars that are silent where no terminal is attached."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(*, total: int | None, description: str, unit: str, unit_scale: bool = False) -> "tqdm[Any]":
    """Make a progress bar on standard error; it appears on a terminal only, so that logs stay readable."""
    return tqdm(
        total=total, desc=description, unit=unit, unit_scale=unit_scale, leave=False,
        disable=not sys.stderr.isatty(), dynamic_ncols=True,
    )  # fmt: skip
