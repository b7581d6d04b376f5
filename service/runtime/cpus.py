"""The number of CPUs that this process may use, by affinity and by the quotas and CPU sets of its cgroups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PROCESS = Path("/proc/self")


class _Mount(NamedTuple):
    """A cgroup hierarchy that is mounted."""

    root: str
    """The cgroup that the mount point shows, as in `/proc/self/cgroup`; `/` is the topmost one."""
    point: Path
    controllers: frozenset[str]
    """The controllers of a hierarchy of version 1; empty for version 2, which has all."""


def available_cpus(process: Path = _PROCESS) -> int:
    """CPUs by the affinity mask and by the cgroups that the process is in, whichever is least; at least 1.

    A container limited to two CPUs on a machine of 64 still sees 64 cores; threads sized by those fight each other. A
    cgroup may use no more than any of those above it, so all of them count.

    Args:
        process: folder of the process in procfs, with `cgroup` and `mountinfo`.
    """
    try:
        affinity = len(os.sched_getaffinity(0))
    except AttributeError:  # Not on macOS and Windows.
        affinity = os.cpu_count() or 1
    limits = [limit for folder in _cgroups(process) for limit in _limits(folder)]
    return max(1, math.ceil(min([affinity, *limits])))


def _limits(folder: Path) -> Iterator[float]:
    """CPUs granted by a cgroup of version 2 (`cpu.max`) or 1 (`cpu.cfs_*`), and those of its set, if limited."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period):
        yield int(quota) / int(period)
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
        if size := _set_size(_read(folder / name)):
            yield size


def _set_size(text: str) -> int:
    """The number of CPUs in a list such as `0-3,7`; 0 for none, or for what is no such list."""
    size = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            return 0
        size += max(0, int(last or first) - int(first) + 1)
    return size


def _cgroups(process: Path) -> Iterator[Path]:
    """The folders of the cgroups of the process and of all above them, as far as they can be seen here."""
    mounts = list(_mounts(process))
    for line in _read(process / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mount in mounts:
            if mount.controllers & set(controllers.split(",")) if controllers else not mount.controllers:
                inside = PurePosixPath(path)
                # Without a cgroup namespace a container sees its own cgroup at the mount point, by a longer path.
                relative = inside.relative_to(mount.root) if inside.is_relative_to(mount.root) else PurePosixPath()
                parts = () if ".." in relative.parts else relative.parts
                yield from (mount.point.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))


def _mounts(process: Path) -> Iterator[_Mount]:
    for line in _read(process / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(described) > 2 and described[0] in ("cgroup", "cgroup2"):
            controllers = frozenset(described[2].split(",")) & {"cpu", "cpuset"}
            if described[0] == "cgroup2" or controllers:
                root, point = (field.replace("\\040", " ") for field in fields[3:5])
                yield _Mount(root, Path(point), frozenset() if described[0] == "cgroup2" else controllers)


def _read(path: Path) -> str:
    """The content of a file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
