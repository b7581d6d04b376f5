"""Where the Python processes that this one starts import from."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def import_settings() -> dict[str, str]:
    """Environment variables that make a Python import what this one does, and nothing of the working directory."""
    own = str(Path(__file__).resolve().parents[2])
    folders = [*filter(None, sys.path), *([] if own in sys.path else [own])]
    return {"PYTHONPATH": os.pathsep.join(folders), "PYTHONSAFEPATH": "1"}
