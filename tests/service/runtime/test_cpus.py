"""CPUs by affinity and by the quotas and sets of nested cgroups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.runtime.cpus import available_cpus


@pytest.fixture(autouse=True)
def _eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


class Machine:
    """A made procfs and cgroup tree."""

    def __init__(self, folder: Path) -> None:
        self.process, self.tree = folder / "self", folder / "cgroup"
        self.process.mkdir()

    def join(self, cgroups: str, *mounts: str) -> None:
        """Put the process into cgroups; a mount is `root point type options`, the point within the tree."""
        (self.process / "cgroup").write_text(cgroups)
        lines = []
        for mount in mounts:
            root, point, kind, options = mount.split(" ")
            lines.append(f"30 23 0:26 {root} {self.tree / point} rw,relatime shared:9 - {kind} {kind} {options}")
        (self.process / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + "\n".join(lines) + "\n")

    def write(self, path: str, text: str) -> None:
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def cpus(self) -> int:
        return available_cpus(self.process)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


V2 = "/ . cgroup2 rw"
V1 = ("/ cpu,cpuacct cgroup rw,cpu,cpuacct", "/ cpuset cgroup rw,cpuset")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("max 100000", 8),
        ("6400000 100000", 8),
        ("200000 0", 8),
        ("nonsense", 8),
    ],
)
def test_cgroup_v2(machine: Machine, text: str, cpus: int) -> None:
    machine.join("0::/\n", V2)
    machine.write("cpu.max", text)
    assert machine.cpus() == cpus


@pytest.mark.parametrize(
    ("limits", "cpus"),
    [
        ({"user.slice": "300000 100000", "user.slice/a.scope": "max 100000"}, 3),
        ({"user.slice": "300000 100000", "user.slice/a.scope": "100000 50000"}, 2),
        ({"user.slice": "max 100000", "user.slice/a.scope": "400000 100000"}, 4),
        ({"other.slice": "100000 100000"}, 8),
        ({"user.slice/a.scope/below": "100000 100000"}, 8),
    ],
)
def test_the_least_of_nested_groups_counts(machine: Machine, limits: dict[str, str], cpus: int) -> None:
    machine.join("0::/user.slice/a.scope\n", V2)
    for group, text in limits.items():
        machine.write(f"{group}/cpu.max", text)
    assert machine.cpus() == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("300000", 3), ("-1", 8), ("10000", 1)])
def test_cgroup_v1(machine: Machine, quota: str, cpus: int) -> None:
    machine.join("4:cpu,cpuacct:/box\n3:memory:/elsewhere\n", *V1)
    machine.write("cpu,cpuacct/box/cpu.cfs_quota_us", quota)
    machine.write("cpu,cpuacct/box/cpu.cfs_period_us", "100000")
    assert machine.cpus() == cpus


def test_a_group_above_of_v1_counts_and_other_controllers_do_not(machine: Machine) -> None:
    machine.join("4:cpu,cpuacct:/pods/one\n3:memory:/tight\n1:name=systemd:/tight\n", *V1)
    for group, quota in (("pods", "500000"), ("pods/one", "-1"), ("tight", "100000")):
        machine.write(f"cpu,cpuacct/{group}/cpu.cfs_quota_us", quota)
        machine.write(f"cpu,cpuacct/{group}/cpu.cfs_period_us", "100000")
    assert machine.cpus() == 5


def test_a_container_of_v1_sees_its_own_group_at_the_mount_point(machine: Machine) -> None:
    machine.join("4:cpu,cpuacct:/docker/0123\n", "/docker/0123 cpu,cpuacct cgroup rw,cpu,cpuacct")
    machine.write("cpu,cpuacct/cpu.cfs_quota_us", "200000")
    machine.write("cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert machine.cpus() == 2


@pytest.mark.parametrize("path", ["/../../outside", "/elsewhere"])
def test_a_group_that_cannot_be_seen_leaves_the_mount_point(machine: Machine, path: str) -> None:
    machine.join(f"0::{path}\n", "/shown . cgroup2 rw")
    machine.write("cpu.max", "300000 100000")
    assert machine.cpus() == 3


@pytest.mark.parametrize(("text", "cpus"), [("0-3,6", 5), ("2", 1), ("", 8), ("0-63", 8), ("x-y", 8)])
def test_cpu_sets(machine: Machine, text: str, cpus: int) -> None:
    machine.join("0::/a/b\n5:cpuset:/set\n", V2, *V1)
    machine.write("a/cpuset.cpus.effective", text)
    assert machine.cpus() == cpus
    machine.write("cpuset/set/cpuset.effective_cpus", "0-1")
    assert machine.cpus() == min(cpus, 2)


def test_without_a_cgroup_the_affinity_counts(machine: Machine) -> None:
    assert machine.cpus() == 8


def test_where_there_is_no_affinity_the_machine_counts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cpus() == 1


def test_on_this_machine_it_is_at_least_one() -> None:
    assert available_cpus() >= 1
