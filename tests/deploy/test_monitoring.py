"""/metrics has everything that Prometheus scrapes and that the dashboard and the alerts query."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.observability import STAGES
from service.settings import Settings
from tests.support.classifier_bundles import classifier_graph, template, write_classifier
from tests.support.http import client_of

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
DASHBOARD = GRAFANA / "dashboards/lectern.json"

# What Prometheus itself adds to every sample.
TARGET_LABELS = {"job", "instance", "service"}


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return content


def dashboard_expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$model", ".*")


def alert_expressions() -> Iterator[str]:
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """The names of all samples in /metrics after a request that went well and one that failed, with their labels."""
    repository = tmp_path_factory.mktemp("models")
    write_classifier(repository, graph=classifier_graph(fails_above=0.9, statistic="ReduceMean"))
    image = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [1.0] * 784}
    with client_of(Settings(models=repository)) as client:
        assert client.post("/v1/classify", json={"pixels": [template(7).tolist()]}).status_code == 200
        assert client.post("/v2/models/digits/infer", json={"inputs": [image]}).status_code == 500
        text = client.get("/metrics").text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


@pytest.mark.parametrize("expression", [*dashboard_expressions(), *alert_expressions()])
def test_every_metric_and_label_asked_for_is_in_metrics(exposed: Mapping[str, set[str]], expression: str) -> None:
    for name, selector in re.findall(r"\b(lectern_\w+)(?:\{(.*?)\})?", expression):
        assert name in exposed
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector)) <= exposed[name]
    for stage in re.findall(r'stage!?="(\w+)"', expression):
        assert stage in STAGES
    names = set(re.findall(r"lectern_\w+", expression))
    for group in re.findall(r"\bby \((.*?)\)", expression):
        labels = {label.strip() for label in group.split(",")} - TARGET_LABELS
        assert all(labels <= exposed[name] for name in names)


def test_the_dashboard_s_variable_is_filled_from_a_metric(exposed: Mapping[str, set[str]]) -> None:
    (variable,) = dashboard()["templating"]["list"]
    name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    assert label in exposed[name]


def test_every_metric_is_on_the_dashboard(exposed: Mapping[str, set[str]]) -> None:
    ours = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exposed if name.startswith("lectern_")}
    expressions = " ".join(dashboard_expressions())
    assert {name for name in ours if name not in expressions} == set()


def test_the_dashboard_loads_by_itself() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounts = dict(mount.split(":")[:2][::-1] for mount in compose["volumes"])
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/lectern.yml").read_text())["providers"]
    home = Path(compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert home == Path(provider["options"]["path"]) / DASHBOARD.name
    assert mounts["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"


def test_the_dashboard_asks_the_provisioned_source() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    sources = {target["datasource"]["uid"] for panel in dashboard()["panels"] for target in panel["targets"]}
    assert sources == {source["uid"]}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090"
    assert compose["prometheus"]["ports"][0].endswith(":9090")


def test_prometheus_looks_for_the_servers_of_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (job, _) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert names["names"] == [name for name in compose if name.startswith("lectern")]
    assert all(compose[name]["ports"][0].endswith(f":{names['port']}") for name in names["names"])


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker; skips the test where it is not installed."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("needs promtool: apt-get install prometheus, or its release from prometheus.io")
    return path


def run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_accepts_the_configuration(promtool: str) -> None:
    run(promtool, "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_promtool_accepts_the_dashboard_s_queries(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(dashboard_expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(promtool, "check", "rules", str(file))


def test_the_alerts_fire_when_they_should_and_not_before(promtool: str) -> None:
    run(promtool, "test", "rules", str(Path(__file__).with_name("alerts_test.yml")))
