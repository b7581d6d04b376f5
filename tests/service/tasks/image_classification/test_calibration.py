"""The temperature of a classifier, read from its graph."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from service.bundle.onnx_nodes import read_nodes
from service.tasks.image_classification.calibration import temperature_of
from tests.support.onnx_files import onnx_file

MODELS = Path(__file__).parents[4] / "models"


def _temperature(folder: Path, *last: tuple[str, list[str]], **constants: object) -> float | None:
    """That of a graph whose network is followed by these nodes, which take and give tensors of the alphabet."""
    steps = [("Flatten", ["image"]), *last]
    names = [*"abcdefgh"[: len(steps) - 1], "probabilities"]
    nodes = [helper.make_node(operator, inputs, [name]) for (operator, inputs), name in zip(steps, names, strict=True)]
    value = helper.make_tensor_value_info
    content = onnx_file(
        "digits",
        nodes,
        [value("image", TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [value("probabilities", TensorProto.FLOAT, ["batch", 4])],
        {name: np.array(constant, np.float32) for name, constant in constants.items()},
        opset=17,
    )
    (folder / "model.onnx").write_bytes(content)
    return temperature_of(read_nodes(folder / "model.onnx"), "probabilities")


def test_the_divisor_before_the_softmax(tmp_path: Path) -> None:
    assert _temperature(tmp_path, ("Div", ["a", "t"]), ("Softmax", ["b"]), t=0.75) == 0.75
    assert _temperature(tmp_path, ("Mul", ["t", "a"]), ("Softmax", ["b"]), t=[0.5]) == 2.0
    assert _temperature(tmp_path, ("Softmax", ["a"])) == 1.0


@pytest.mark.parametrize(
    "last",
    [
        [("Sigmoid", ["a"])],
        [("Div", ["a", "four"]), ("Softmax", ["b"])],
        [("Div", ["a", "a"]), ("Softmax", ["b"])],
        [("Mul", ["a", "zero"]), ("Softmax", ["b"])],
    ],
)
def test_what_is_no_temperature(tmp_path: Path, last: list[tuple[str, list[str]]]) -> None:
    assert _temperature(tmp_path, *last, four=[1, 2, 3, 4], zero=0) is None


def test_that_of_the_shipped_model_is_in_its_card() -> None:
    for folder in MODELS.glob("digits/*"):
        card = re.search(r"\(T = ([\d.]+);", (folder / "MODEL_CARD.md").read_text(encoding="utf-8"))
        assert card is not None
        temperature = temperature_of(read_nodes(folder / "model.onnx"), "probabilities")
        assert temperature == pytest.approx(float(card[1]), abs=0.0005)
