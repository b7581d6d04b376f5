"""Workflows, dependabot, issue forms and pre-commit: by their schemas, and against the rest of the repository."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import service
from tests.deploy.test_constraints import pins

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ISSUE_FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
SCHEMAS = [
    *(("vendor.github-workflows", path) for path in WORKFLOWS),
    *(("vendor.github-issue-forms", path) for path in ISSUE_FORMS),
    ("vendor.github-issue-config", ROOT / ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.dependabot", ROOT / ".github/dependabot.yml"),
]


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for step in steps(workflow) if "run" in step]


@pytest.mark.parametrize(("schema", "path"), SCHEMAS, ids=[path.name for _, path in SCHEMAS])
def test_the_file_fits_its_schema(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_is_one_that_refuses() -> None:
    invalid = WORKFLOWS[0].read_text().replace("runs-on:", "runs_on:")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", "-"]
    assert subprocess.run(command, input=invalid, capture_output=True, text=True, check=False).returncode == 1


def test_ci_runs_what_contributors_run_on_every_platform_and_python() -> None:
    job = load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make check", "make test"]
    matrix = job["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    assert "3.11 to 3.14" in (ROOT / "Makefile").read_text()


def test_ci_runs_other_people_s_clients_on_a_python_that_all_of_them_have() -> None:
    steps = load(ROOT / ".github/workflows/ci.yml")["jobs"]["clients"]["steps"]
    assert steps[-1]["run"] == "make test-clients"
    assert steps[1]["with"]["python-version"] == "3.12"
    assert "python_version < '3.13'" in (ROOT / "tests/clients/requirements-mlserver.txt").read_text()


def test_ci_uses_the_page_as_its_own_script_does() -> None:
    assert "make test-page" in commands(load(ROOT / ".github/workflows/ci.yml"))
    programs = re.search(r"^PROGRAMS = \((.*)\)$", (ROOT / "tests/page/browser.py").read_text(), re.MULTILINE)
    assert programs is not None
    looked_for = re.findall(r"command -v ([\w-]+)", (ROOT / ".ci/run").read_text())
    assert [name.strip('"') for name in programs[1].split(", ")] == [name for name in looked_for if "chrom" in name]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_both_images_are_built(path: Path) -> None:
    strategy = load(path)["jobs"]["image"]["strategy"]["matrix"]
    targets = strategy.get("target") or [entry["target"] for entry in strategy["include"]]
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert targets == ["cpu", "gpu", "openvino"]
    assert set(targets) <= set(stages)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for step in steps(workflow):
        assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a/b@v1")), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_make_targets_of_workflows_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake (\S+)", "\n".join(commands(load(path)))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_a_release_is_checked_audited_and_described() -> None:
    workflow = load(ROOT / ".github/workflows/release.yml")
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true.
    text = "\n".join(commands(workflow))
    for part in ("check_release.py", "make check", "make test", "pip-audit", "python -m build"):
        assert part in text
    assert any(step.get("uses", "").startswith("anchore/sbom-action") for step in steps(workflow))
    assert set(workflow["jobs"]["package"]["needs"]) == {"verify", "audit"}


def test_pre_commit_uses_the_pinned_versions() -> None:
    versions = {repo["repo"].rsplit("/", 1)[1]: repo["rev"] for repo in load(ROOT / ".pre-commit-config.yaml")["repos"]}
    assert versions["ruff-pre-commit"] == f"v{pins()['ruff']}"
    assert versions["check-jsonschema"] == pins()["check-jsonschema"]


AS_THEY_COME = ("models/", "service/api/page/vendor/")
"""Folders whose files are bundles, or other people's: pre-commit leaves them alone."""


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git says which files are the repository's")
def test_text_files_are_as_pre_commit_leaves_them() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    suffixes = (".py", ".md", ".yml", ".yaml", ".toml", ".txt", ".json", "Makefile", "Dockerfile", "NOTICE")
    for name in listed:
        if name.endswith(suffixes) and not name.startswith(AS_THEY_COME) and (ROOT / name).exists():
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not re.search(r"[ \t]$", text, re.MULTILINE), name
            assert not text or (text.endswith("\n") and not text.endswith("\n\n")), name


@pytest.fixture(scope="module")
def check_release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_release", ROOT / ".ci/check_release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PACKAGE = '"""A package."""\n\n__version__ = "1.2.3"\n'
CHANGES = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-28\n\n- One.\n\n## [1.2.2] - 2026-11-01\n\n- Older.\n"


def test_the_notes_of_a_release_are_its_section(check_release: ModuleType) -> None:
    assert check_release.release_notes("v1.2.3", PACKAGE, CHANGES) == "- One."


@pytest.mark.parametrize(
    ("tag", "changes", "message"),
    [
        ("v1.2.4", CHANGES, "the package's version is 1.2.3"),
        ("1.2.3", CHANGES, "the tag must be v1.2.3"),
        ("v1.2.3", CHANGES.replace("[Unreleased]\n", "[Unreleased]\n\n- New.\n"), r"move what is under \[Unreleased\]"),
        ("v1.2.3", CHANGES.replace("[1.2.3]", "[1.3.0]"), r"it must be '\[1.2.3\] - YYYY-MM-DD'"),
        ("v1.2.3", CHANGES.replace(" - 2026-11-28", ""), r"it must be '\[1.2.3\] - YYYY-MM-DD'"),
    ],
)
def test_a_release_that_disagrees_is_refused(check_release: ModuleType, tag: str, changes: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_release.release_notes(tag, PACKAGE, changes)


def test_the_check_reads_this_repository(check_release: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_release.main("v0.0.0") == 1
    assert f"the package's version is {service.__version__}" in capsys.readouterr().err
