"""Images with their labels, as the readers of data return them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabeledImages:
    """Images uint8 [N, 28, 28] with their class names [N], and the file or folder they came from."""

    images: NDArray[np.uint8]
    labels: list[str]
    source: str
    notes: list[str] = field(default_factory=list)
    """Lines for the log: what was left out, and what may be wrong."""
