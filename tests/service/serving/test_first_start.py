"""The first start: models serve as soon as they are loaded, and a bad one delays no other."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from service.runtime.cpus import available_cpus
from tests.support.classifier_bundles import template, write_classifier
from tests.support.classify_requests import labels
from tests.support.hostile_graphs import write_hostile
from tests.support.processes import server


@pytest.mark.parametrize("workers", ["1", "2"])
def test_models_that_hang_delay_no_other_at_the_start(tmp_path: Path, workers: str) -> None:
    models = tmp_path / "models"
    for number in range(max(2, available_cpus())):  # As many as are prepared at the same time.
        write_hostile(models, f"bad{number}", "hangs")
    write_classifier(models)
    with server(models, LOAD_SECONDS="600", DRAIN_SECONDS="0", WORKERS=workers) as running:
        url = running.wait_for("listening")["address"]
        body = {"pixels": [template(7).tolist()], "model": "digits"}
        assert labels(httpx.post(f"{url}/v1/classify", json=body, timeout=60)) == ["7"]
        assert httpx.get(f"{url}/v2/models/digits/ready", timeout=60).status_code == 200
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        ready = httpx.get(f"{url}/readyz", timeout=60)
        assert (ready.status_code, "bad0 (it is loading)" in ready.json()["detail"]) == (503, True)
        states = {line["name"]: line["state"] for line in httpx.post(f"{url}/v2/repository/index", timeout=60).json()}
        assert (states["digits"], states["bad0"]) == ("READY", "LOADING")
        refused = httpx.post(f"{url}/v1/classify", json=body | {"model": "bad0"}, timeout=60)
        assert (refused.status_code, refused.json()["detail"]) == (503, "model 'bad0' is not ready: it is loading")
        assert [line for line in running.lines if line["message"] == "serving"] == []
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert "Traceback" not in running.text


def test_the_start_is_complete_once_a_bad_model_is_refused(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_hostile(models, "bad", "hangs")
    write_classifier(models)
    with server(models, LOAD_SECONDS="3", DRAIN_SECONDS="0") as running:
        url = running.wait_for("serving")["address"]
        assert httpx.get(f"{url}/readyz", timeout=60).json()["detail"] == "not ready: bad"
        assert running.wait_for("bundle refused")["model"] == "bad"
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


def test_with_strict_nothing_is_served_before_all_models_are_good(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_hostile(models, "bad", "hangs")
    write_classifier(models)
    with server(models, LOAD_SECONDS="1", STRICT="1") as running:
        assert running.wait() == 2
        assert "not every bundle is good" in running.text
        assert [line for line in running.lines if line["message"] == "listening"] == []
