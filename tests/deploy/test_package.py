"""The wheel, and NOTICE: what is handed on, and whose work it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import orjson
import pytest

from service.api.page_files import FOLDER
from service.api.static_files import SUFFIXES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel; built by the backend itself, from a copy, without the network."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder)
    for package in ("service", "training"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    code = "import setuptools.build_meta as backend; print(backend.build_wheel('dist'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return zipfile.ZipFile(path).namelist()


@pytest.mark.parametrize("package", ["service", "training"])
def test_both_packages_are_typed(wheel: list[str], package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert f"{package}/py.typed" in wheel


def test_the_wheel_has_every_module_and_both_licence_files(wheel: list[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("service", "training")
        for path in (ROOT / package).rglob("*.py")
    }
    assert modules <= set(wheel)
    for name in ("LICENSE", "NOTICE"):
        assert any(entry.endswith(f".dist-info/licenses/{name}") for entry in wheel)
    assert not [name for name in wheel if name.startswith(("tests", "models", "docs"))]


def test_the_wheel_has_every_file_of_the_page(wheel: list[str]) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in FOLDER.rglob("*") if path.suffix in SUFFIXES}
    assert "service/api/page/index.html" in files
    assert files <= set(wheel)
    assert {name for name in wheel if name.startswith("service/api/page/")} == files


def test_the_notice_names_what_the_page_is_made_with() -> None:
    versions = orjson.loads((ROOT / "tests/page/package.json").read_bytes())["devDependencies"]
    head = (FOLDER / "vendor/preact.js").read_text(encoding="utf-8")[:200]
    for name in ("preact", "htm"):
        assert f"{name} {versions[name]} " in head
    for path in (FOLDER / "vendor").glob("*.js"):
        assert path.name in _notice()


def _notice() -> str:
    return " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())


def test_the_notice_names_every_dependency_that_ships() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    shipped = [line for extra in ("cpu", "gpu", "ann", "documents", "heif", "train") for line in extras[extra]]
    for line in (*project["dependencies"], *shipped):
        name = re.split(r"[^\w-]", line)[0]
        if name != "tqdm":  # Named among what usearch needs.
            assert re.search(rf"^{name}  ", (ROOT / "NOTICE").read_text(), re.MULTILINE), name


def test_the_notice_attributes_the_data_of_every_model() -> None:
    for path in (ROOT / "models").glob("*/*/manifest.json"):
        manifest = orjson.loads(path.read_bytes())
        assert manifest["name"] in _notice()
        assert manifest["provenance"]["licence"] in _notice()
        assert manifest["provenance"]["attribution"] in _notice(), path
