"""What an API key may do."""

from __future__ import annotations

from enum import Enum


class KeyScope(Enum):
    """What a route needs of the API key of its caller, where there are keys."""

    INFER = "infer"
    """Ask models, and read what is known of them."""
    ADMIN = "admin"
    """List the repository, load and unload models."""
    METRICS = "metrics"
    """Read metrics and statistics."""
