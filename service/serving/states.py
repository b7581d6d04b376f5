"""What should be served, and the states of models and versions in the Open Inference Protocol's words.

Everything here is plain data that can be written as JSON, so that one process can decide and others can serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from service.bundle.manifest import Task
from service.serving.provider_choice_figures import ProviderChoice


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


@dataclass(frozen=True, kw_only=True)
class IdleModel:
    """A model of which no version serves."""

    name: str
    task: Task | None
    """None where no manifest of it can be read."""
    state: State
    reason: str


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelMemory(NamedTuple):
    """Memory that a model takes, in bytes; None where that is not known."""

    process: int | None
    """Of the process."""
    device: int | None
    """Of the device's own."""


UNKNOWN_MEMORY = ModelMemory(None, None)


class PreparedVersion(_Document):
    """A version that was verified, optimized and tried, and that any process of the server may open."""

    name: str
    version: int
    task: Task
    selectors: dict[str, str] = Field(default_factory=dict)
    """What a request may choose the model by, as `{"source": "en", "target": "de"}`."""
    folder: Path
    """The folder to open: a copy of the bundle with optimized graphs, or the bundle itself."""
    optimized: bool
    """Whether the graphs in `folder` are optimized, so that opening them takes little time."""
    manifest_sha256: str
    files: dict[str, str] = Field(default_factory=dict)
    """The sha256 of every file in `folder`; they are opened only with these."""
    threads: int
    """Threads of one run."""
    inline: bool
    """Whether it runs in the event loop."""
    warm_up_seconds: float
    """The time of an ordinary request, measured at warm-up."""
    providers: tuple[str, ...] = ()
    """The execution providers to open it with, where they were chosen by measuring; empty: those of the settings."""
    provider_choice: ProviderChoice | None = None
    """The figures that they were chosen by."""
    memory_bytes: int | None = None
    """Memory that opening it and its first runs took of the process; None where that is not known."""
    device_memory_bytes: int | None = None
    """The same of the device's own memory; None where it has none, or nothing tells."""
    notice: str = ""
    """What the operator should know, such as a cache that cannot be written."""
    load: int = 0
    """The number of the load that prepared it; the same version with another number is opened again."""


class ModelVersions(_Document):
    """What should be served of one model, and why the rest is not."""

    revision: int = 0
    """Grows with every change of any model: an older one never replaces a newer one."""
    versions: tuple[int, ...] = ()
    """The versions on disk, lowest first."""
    prepared: dict[int, PreparedVersion] = Field(default_factory=dict)
    """The versions to serve."""
    reasons: dict[int, str] = Field(default_factory=dict)
    """Reason why a version does not serve; that of version 0 is about the model's folder."""
    refused: tuple[int, ...] = ()
    """The versions that were to serve and are bad."""
    loading: bool = False
    """Whether versions are being prepared now."""
    unloaded: bool = False
    """Taken out of service on purpose, or never in service: it does not count against being ready."""
    task: Task | None = None
    """Its task, where known."""
    selectors: dict[str, str] | None = None
    """Its selectors, where known."""

    def refused_for(self, reason: str) -> ModelVersions:
        """The same without any version to serve, as none can be opened."""
        return self.model_copy(
            update={
                "prepared": {},
                "reasons": self.reasons | dict.fromkeys(self.prepared, reason),
                "refused": tuple({*self.refused, *self.prepared}),
            }
        )

    def reason(self) -> str:
        """The reason why no version serves: that of the highest one."""
        if self.loading:
            return "it is loading"
        highest = max(self.refused, default=0 if 0 in self.reasons else max(self.reasons, default=None))
        return "it has no version" if highest is None else self.reasons[highest]


class RepositoryState(_Document):
    """What should be served, of every model by name."""

    models: dict[str, ModelVersions] = Field(default_factory=dict)


class Publish(Protocol):
    """Makes every process of the server serve what a state says."""

    async def __call__(self, state: RepositoryState) -> Mapping[str, str]:
        """Return once all processes serve it.

        Returns:
            Why a model does not serve as the state says, by name; it serves as before then.
        """


class ModelControl(Protocol):
    """Loads and unloads models in all processes of the server."""

    async def start(self) -> None:
        """Return once the models of the repository serve in this process; does nothing a second time.

        Raises:
            ConfigurationError: the server cannot start with this repository.
        """

    def watch(self) -> None:
        """Begin to watch the repository, if the settings ask for it; called in the event loop of the server."""

    async def load(self, name: str, version: int | None = None) -> None:
        """Load the versions of `name` that the policy asks for, or only `version`, and return once they serve."""

    async def unload(self, name: str) -> None:
        """Take `name` out of service, and return once its last request is answered."""

    def stop(self) -> None:
        """Give up the loads in progress: the server is shutting down."""

    async def close(self) -> None:
        """Release what it holds."""
