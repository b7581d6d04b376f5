"""The import contracts and the registrations name every task and every family that there is."""

from __future__ import annotations

import tomllib
from typing import Any

from service.bundle.manifest import Task
from service.tasks import TASKS
from tests.support.processes import ROOT
from training.__main__ import FAMILIES

TASK_PACKAGES = {path.parent.name for path in ROOT.glob("service/tasks/*/__init__.py")}
FAMILY_PACKAGES = {path.parent.name for path in ROOT.glob("training/*/cli.py")}


def contract(name: str) -> dict[str, Any]:
    """The import contract whose name begins like this."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (only,) = [contract for contract in contracts if contract["name"].startswith(name)]
    result: dict[str, Any] = only
    return result


def test_every_task_is_kept_apart_from_the_others() -> None:
    tasks = contract("a task knows no other")
    assert tasks["modules"] == ["service.tasks.*"]
    shared = {f"service.tasks.{path.stem}" for path in ROOT.glob("service/tasks/*.py") if path.stem != "__init__"}
    assert {ignored.partition(" -> ")[2] for ignored in tasks["ignore_imports"]} == shared


def test_every_family_is_kept_apart_from_the_others() -> None:
    layer = contract("a family knows no other")["layers"][1]
    assert set(layer.split(" | ")) == {f"training.{name}" for name in FAMILY_PACKAGES}


def test_every_task_has_a_predictor_in_a_package_of_its_name_and_a_module_of_routes() -> None:
    assert set(TASKS) == set(Task)
    assert {task.value.replace("-", "_") for task in Task} == TASK_PACKAGES
    for task, predictor in TASKS.items():
        name = task.value.replace("-", "_")
        assert predictor.__module__.startswith(f"service.tasks.{name}.")
        assert (ROOT / f"service/api/{name}.py").exists()


def test_every_family_is_a_command() -> None:
    assert set(FAMILIES) == FAMILY_PACKAGES
