"""Which versions of a model serve: the setting LECTERN_VERSION_POLICY."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """Either the highest versions, or named ones."""

    latest: int = 1
    """How many of the highest versions that are good."""
    fixed: tuple[int, ...] = ()
    """The versions themselves, where they are named; `latest` is not used then."""
    text: str = "latest"
    """The policy as it was written."""

    @classmethod
    def parse(cls, text: str) -> VersionPolicy:
        """Read `latest`, `latest:2` or `1,3`.

        Raises:
            ValueError: it is none of these.
        """
        compact = text.replace(" ", "").lower()
        if match := re.fullmatch(r"latest(?::([1-9][0-9]{0,3}))?", compact):
            return cls(latest=int(match[1] or 1), text=compact)
        if re.fullmatch(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*", compact):
            return cls(fixed=tuple(sorted({int(number) for number in compact.split(",")})), text=compact)
        raise ValueError("write latest, latest:2 for the two highest versions, or the versions themselves as 1,3")

    def candidates(self, versions: Sequence[int], pinned: int | None = None) -> tuple[list[int], int]:
        """The versions to try, highest first, and how many of them are to serve.

        Args:
            versions: those on disk.
            pinned: the only version to serve, where one was asked for.
        """
        if pinned is not None:
            return [pinned], 1
        if self.fixed:
            return [version for version in sorted(self.fixed, reverse=True) if version in versions], len(self.fixed)
        return sorted(versions, reverse=True), self.latest

    def left_out(self, version: int, served: Sequence[int], pinned: int | None = None) -> str:
        """Why a version that was not tried does not serve.

        Args:
            version: the version.
            served: those that serve, lowest first.
            pinned: the only version that was asked for, if one was.
        """
        if not served:
            return f"LECTERN_VERSION_POLICY={self.text} leaves it out"
        if pinned is None and not self.fixed and self.latest == 1 and version < served[0]:
            return "a higher version is served"
        return (
            f"versions {', '.join(map(str, served))} are served"
            if len(served) > 1
            else f"version {served[0]} is served"
        )
