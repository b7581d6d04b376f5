"""One model in this process: which versions of it serve, and the one that answers a request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from service.errors import NotReady, UnknownModel
from service.serving.served_model import ServedModel
from service.serving.states import IdleModel, IndexEntry, ModelVersions, State

Version = str | int | None
"""A version as a request names it; None and those of `HIGHEST` take the highest that serves."""

HIGHEST = ("", "latest", "-1")
"""What clients of other servers write for the highest version (Triton has -1)."""


@dataclass
class RegisteredModel:
    """What should be served of a model, and what is."""

    name: str
    wanted: ModelVersions = field(default_factory=ModelVersions)
    """What should be served of it."""
    served: dict[int, ServedModel] = field(default_factory=dict)
    """Its versions that serve, lowest first."""
    loads: dict[int, int] = field(default_factory=dict)
    """The number of the load of each of them."""
    failing: dict[int, str] = field(default_factory=dict)
    """Why the canary sample of a version fails."""
    retiring: set[int] = field(default_factory=set)
    """Versions that answer their last requests, as the model was unloaded."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while what is served changes."""

    @property
    def highest(self) -> ServedModel | None:
        """The version that answers requests which name none."""
        return next(reversed(self.served.values()), None)

    @property
    def known(self) -> list[int]:
        """The versions that are on disk, serve or are being retired."""
        return sorted({*self.wanted.versions, *self.served, *self.retiring})

    def version(self, version: Version) -> ServedModel:
        """A version that serves.

        Raises:
            UnknownModel: there is no such version, or it does not serve.
            NotReady: no version serves now.
        """
        highest = self.highest
        if str(version) in HIGHEST:
            version = None
        if version is None and highest is not None:
            return highest
        if version is not None:
            for number, served in self.served.items():
                if str(number) == str(version):
                    return served
            if str(version) not in map(str, self.known):
                raise UnknownModel(f"no version {version} of model {self.name!r}; there are: {_list(self.known)}")
        if highest is None:
            reason = "it is unloading" if self.retiring else self.wanted.reason()
            raise NotReady(f"model {self.name!r} is not ready: {reason}", retry_after=5)
        are = "version {} is" if len(self.served) == 1 else "versions {} are"
        raise UnknownModel(
            f"version {version} of model {self.name!r} is not served; {are.format(_list(list(self.served)))}"
        )

    def index(self) -> Iterator[IndexEntry]:
        """Every version, with its state and, where it does not serve, the reason; at least one entry."""
        for version in self.known:
            yield self._entry(version)
        if not self.known:
            state = State.LOADING if self.wanted.loading else State.UNAVAILABLE
            yield IndexEntry(name=self.name, version="", state=state, reason=self.wanted.reason())

    def idle(self) -> IdleModel | None:
        """The model where no version of it serves; None where one does."""
        if self.served:
            return None
        state = State.UNLOADING if self.retiring else State.LOADING if self.wanted.loading else State.UNAVAILABLE
        reason = self.wanted.reason() if state is State.UNAVAILABLE else ""
        return IdleModel(name=self.name, task=self.wanted.task, state=state, reason=reason)

    def _entry(self, version: int) -> IndexEntry:
        state, reason = State.UNAVAILABLE, self.wanted.reasons.get(version, "it is not served")
        if version in self.served:
            state, reason = State.READY, ""
        elif version in self.retiring:
            state = State.UNLOADING
        elif self.wanted.loading:
            state, reason = State.LOADING, ""
        return IndexEntry(name=self.name, version=str(version), state=state, reason=reason)


def _list(items: list[int]) -> str:
    return ", ".join(map(str, items)) or "none"
