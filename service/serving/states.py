"""The states of models and versions, in the Open Inference Protocol's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from service.serving.served_model import ServedModel


class State(StrEnum):
    """State of a version, in the Open Inference Protocol's words."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One line of the repository's index."""

    name: str
    version: str
    state: State
    reason: str = ""


@dataclass(kw_only=True)
class ModelState:
    """The state of one model name."""

    serving: ServedModel | None = None
    state: State = State.UNAVAILABLE
    versions: list[int] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    """Reason why a version does not serve, by version."""
    unloaded: bool = False
    """Taken out of service on purpose: it does not count against being ready."""

    def reason(self) -> str:
        """The reason why no version serves: that of the highest one."""
        if self.state in (State.LOADING, State.UNLOADING):
            return f"it is {self.state.value.lower()}"
        highest = max(self.reasons, default=None)
        return "it has no version" if highest is None else self.reasons[highest]
