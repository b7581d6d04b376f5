"""docker-compose.yml against the schema of the compose specification, and against the rest of the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.deploy.dockerfile import parse

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = compose["services"]
    return result


def test_the_file_fits_the_compose_schema() -> None:
    # The package carries the specification's own schema, so that none is kept here.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_is_one_that_refuses() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "-"]
    invalid = FILE.read_text().replace("read_only: true", "read_only: 7")
    assert subprocess.run(command, input=invalid, capture_output=True, text=True, check=False).returncode == 1


def test_a_plain_up_starts_the_cpu_server_alone_on_8080(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "profiles" not in service] == ["lectern"]
    assert services["lectern"]["ports"] == ["${LECTERN_PORT:-8080}:8080"]
    assert services["lectern"]["build"]["target"] == "cpu"


def test_the_profiles(services: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in services.items()}
    assert profiles == {
        "lectern": None,
        "lectern-gpu": ["gpu"],
        "lectern-openvino": ["openvino"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }
    (device,) = services["lectern-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    environment = services["lectern-gpu"]["environment"]
    assert (environment["LECTERN_PROVIDERS"], environment["LECTERN_STRICT"]) == ("cuda", "1")


def test_every_container_is_hardened_and_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["tmpfs"] == ["/tmp"], name
        assert "memory" in service["deploy"]["resources"]["limits"], name


def test_images_and_targets_are_named_exactly(services: dict[str, Any]) -> None:
    stages = parse((ROOT / "Dockerfile").read_text())
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in stages
        else:
            tag = service["image"].partition(":")[2]
            assert tag.lstrip("v").count(".") == 2


def test_host_ports_differ(services: dict[str, Any]) -> None:
    ports = [port.split(":-")[1].split("}")[0] for service in services.values() for port in service["ports"]]
    assert len(set(ports)) == len(ports) == 5


def test_a_container_is_given_the_time_it_needs_to_stop(services: dict[str, Any]) -> None:
    settings = Settings()
    grace = int(services["lectern"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.drain_seconds + settings.shutdown_seconds


def test_mounted_files_exist(services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    for mount in mounts:
        source = mount.split(":")[0]
        assert not source.startswith(".") or (ROOT / source).is_dir(), mount


def test_environment_variables_are_settings(services: dict[str, Any]) -> None:
    for service in services.values():
        for name in service.get("environment", {}):
            if name.startswith("LECTERN_"):
                assert name.removeprefix("LECTERN_").lower() in Settings.model_fields
