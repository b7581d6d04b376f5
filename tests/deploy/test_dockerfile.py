"""The Dockerfile as text; `make test-image` carries it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import service
from service.settings import Settings
from tests.deploy.dockerfile import Stage, lineage, parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stages() -> Mapping[str, Stage]:
    return parse((ROOT / "Dockerfile").read_text())


def test_a_plain_build_makes_the_cpu_image(stages: Mapping[str, Stage]) -> None:
    assert list(stages)[-1] == "cpu"
    assert "gpu" in stages


@pytest.mark.parametrize("target", ["cpu", "gpu", "openvino"])
def test_the_image_is_one_stage_away_from_the_builder(stages: Mapping[str, Stage], target: str) -> None:
    final = lineage(stages, target)
    assert not [instruction for instruction in final if instruction.name == "RUN"]
    copied = [instruction.arguments for instruction in final if instruction.name == "COPY"]
    assert copied == [f"--from=build-{target} /opt/lectern /opt/lectern", "models /models"]


@pytest.mark.parametrize("target", ["cpu", "gpu", "openvino"])
def test_only_the_target_s_extra_and_those_of_routes_are_installed(stages: Mapping[str, Stage], target: str) -> None:
    runs = [step.arguments for step in lineage(stages, f"build-{target}") if step.name == "RUN"]
    assert any(f".[{target},grpc,documents]" in run for run in runs)
    assert not [run for run in runs if "apt-get" in run or "torch" in run or "train]" in run]


def test_the_server_is_started_without_a_shell_by_a_user_without_rights(stages: Mapping[str, Stage]) -> None:
    steps = {step.name: step.arguments for step in lineage(stages, "cpu")}
    assert json.loads(steps["ENTRYPOINT"]) + json.loads(steps["CMD"]) == ["lectern", "serve"]
    assert steps["USER"] == "10001:10001"
    assert steps["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(steps["HEALTHCHECK"].partition(" CMD ")[2]) == ["lectern", "health"]


def test_the_environment_sets_what_settings_know(stages: Mapping[str, Stage]) -> None:
    (variables,) = stages["runtime"].all("ENV")
    env = dict(word.split("=", 1) for word in variables.words({}))
    ours = {name.removeprefix("LECTERN_").lower() for name in env if name.startswith("LECTERN_")}
    assert ours == {"host", "port", "models"}
    assert ours <= set(Settings.model_fields)
    assert stages["runtime"].all("EXPOSE")[0].arguments == env["LECTERN_PORT"]


def test_the_label_s_version_is_the_package_s(stages: Mapping[str, Stage]) -> None:
    assert stages["runtime"].all("ARG")[0].arguments == f"VERSION={service.__version__}"


def test_the_build_context_holds_what_is_copied_and_nothing_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for stage in parse((ROOT / "Dockerfile").read_text()).values()
        for step in stage.all("COPY")
        if not step.arguments.startswith("--from")
        for source in step.words({})[:-1]
    }
    assert lines[1] == "*"
    assert included == copied
