"""LECTERN_EXIT_ON_DEVICE_ERROR: a process whose device fails for good ends, and another one takes its place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from tests.support.classifier_bundles import classifier_graph, write_classifier
from tests.support.classify_requests import labels, pixels
from tests.support.processes import server

post = partial(httpx.post, timeout=60)

FATAL = {"pixels": [np.ones((28, 28)).tolist()]}
"""A picture that the model below fails on."""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A classifier that fails on a picture full of ink, with the words of CUDA: onnxruntime's errors name the node."""
    model = onnx.load_model_from_string(classifier_graph(fails_above=0.9, statistic="ReduceMean"))
    for node in model.graph.node:
        if node.op_type == "Gather":
            node.name = "CUDA failure 700: an illegal memory access was encountered"
    write_classifier(tmp_path, graph=model.SerializeToString())
    return tmp_path


def test_a_server_of_one_process_ends_with_exit_code_1(models: Path) -> None:
    with server(models, EXIT_ON_DEVICE_ERROR="1", DRAIN_SECONDS="0") as running:
        assert labels(post(f"{running.url}/v1/classify", json=pixels(7))) == ["7"]
        answer = post(f"{running.url}/v1/classify", json=FATAL)
        assert answer.status_code == 503
        assert "the device failed" in answer.json()["detail"]
        assert running.wait_for("device lost")["level"] == "critical"
        assert running.wait() == 1


def test_a_worker_is_replaced(models: Path) -> None:
    with server(models, WORKERS="2", EXIT_ON_DEVICE_ERROR="1", DRAIN_SECONDS="0") as running:
        running.wait_for("worker ready", 2)
        assert post(f"{running.url}/v1/classify", json=FATAL).status_code == 503
        running.wait_for("worker died")
        running.wait_for("worker ready", 3)
        assert labels(post(f"{running.url}/v1/classify", json=pixels(7))) == ["7"]
