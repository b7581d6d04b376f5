"""What the server asks the helper process to prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from service.limits import Limits


class PreparationJob(BaseModel):
    """What to prepare, and for which settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """The bundle."""
    cache: Path | None
    """The folder that gets a copy of the bundle with optimized graphs; None: the bundle itself is opened."""
    providers: tuple[str, ...]
    provider_options: str
    """Options of the providers, as set."""
    provider_choice: Literal["latency", "throughput"] = "latency"
    """What `auto` chooses a provider by, where there are several."""
    threads: int
    """Threads of one run as set; 0: as many as `cpus` where the model is slow, else 1."""
    cpus: int
    """CPUs for one process of the server."""
    inline: str
    """Where the model runs, as set: auto, always or never."""
    inline_threshold_seconds: float
    """With `auto`, a model whose warm-up takes less runs in the event loop."""
    strict: bool
    limits: Limits


class Verification(BaseModel):
    """What came of comparing the answers of a bundle to its stored samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int
    placement: dict[str, str]
    """What each graph runs on, in words."""
    problems: tuple[str, ...]
    """Every difference."""
