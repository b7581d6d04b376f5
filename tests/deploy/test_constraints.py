"""constraints.txt pins everything that is installed, and says nothing of where it came from."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tests.docs.markdown import rows

ROOT = Path(__file__).parents[2]
EXTRAS = ("cpu", "train", "dev", "grpc")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str = "constraints.txt") -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    parsed = [line.split(";")[0].split("==") for line in lines if not line.startswith("#")]
    return {canonical(name): version.strip() for name, version in parsed}


def requirements(lines: list[str]) -> list[tuple[str, str]]:
    """(name, text) of each requirement that holds here: markers of other systems and of extras are left out."""
    here = [line for line in lines if not re.search("extra ==|win32|Windows", line)]
    return [(canonical(re.split(r"[^\w.-]", line)[0]), line) for line in here]


def installed_closure() -> dict[str, Distribution]:
    """The distributions that the project needs and that are installed, however far down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pending = requirements(
        project["dependencies"] + [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    )
    closure: dict[str, Distribution] = {}
    while pending:
        name, _ = pending.pop()
        if name in closure:
            continue
        try:
            closure[name] = distribution(name)
        except PackageNotFoundError:
            continue  # The train extra where only the server is tested, a marker that does not hold here.
        pending += requirements(closure[name].requires or [])
    return closure


def test_what_is_installed_is_what_is_pinned() -> None:
    installed = {name: package.version.split("+")[0] for name, package in installed_closure().items()}
    assert len(installed) > 40
    assert installed == {name: pins().get(name) for name in installed}


@pytest.mark.parametrize("extra", ["cpu", "gpu", "openvino", "train", "dev", "grpc"])
def test_every_named_requirement_is_pinned(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {name for name, _ in requirements(project["dependencies"] + project["optional-dependencies"][extra])}
    assert names <= set(pins())


def clients(suffix: str) -> set[str]:
    """What an environment of other people's clients is asked to have."""
    lines = (ROOT / f"tests/clients/requirements{suffix}.txt").read_text().splitlines()
    return {name for name, _ in requirements([line for line in lines if not line.startswith("#")])}


@pytest.mark.parametrize("suffix", ["", "-mlserver"])
def test_every_client_is_pinned(suffix: str) -> None:
    assert clients(suffix) <= set(pins(f"tests/clients/constraints{suffix}.txt"))


def test_the_documents_have_the_versions_of_the_clients_that_are_tested() -> None:
    apart = pins("tests/clients/constraints-mlserver.txt") | pins("tests/clients/constraints.txt")
    table = {row[0].strip("`"): row[1] for row in rows(ROOT / "docs/api.md") if row[0].strip("`") in apart | pins()}
    tested_in_contract = {"libretranslatepy", "openai", "tritonclient"}
    tested_apart = (clients("") | clients("-mlserver")) - {"numpy", "pytest"}
    assert set(table) == tested_in_contract | tested_apart
    assert table == {name: (pins() if name in tested_in_contract else apart)[name] for name in table}


def test_the_build_backend_is_pinned() -> None:
    assert "setuptools" in pins()


@pytest.mark.parametrize(
    "file", ["constraints.txt", "tests/clients/constraints.txt", "tests/clients/constraints-mlserver.txt"]
)
def test_the_pins_name_no_place_and_no_build(file: str) -> None:
    text = (ROOT / file).read_text()
    body = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+( ; .+)?", line) for line in body)
