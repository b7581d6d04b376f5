"""Answers of the routes that show what a model is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue
from pydantic.json_schema import SkipJsonSchema

from service.bundle.evaluation import Evaluation
from service.bundle.manifest import Datatype
from service.tasks.quantized_array import ArrayType, QuantizedArray

Size = Annotated[list[int], Field(min_length=2, max_length=2)]


class LayerWeights(BaseModel):
    """One layer: its geometry and, unless it has none such as pooling, its weights with the fields of an array.

    The weights of a convolution are its kernels, [maps, maps of the layer before, height, width]; those of a dense
    layer [units, units of the layer before]. The sum of a unit is kernel times patch plus bias; it then goes through
    the activation.
    """

    name: str
    kind: str = Field(description="convolution, max-pooling, average-pooling, dense or rbf.")
    activation: str = Field(description="relu, tanh, sigmoid, scaled-tanh; empty for none.")
    kernel: Size | SkipJsonSchema[None] = Field(default=None, description="Height and width of what a unit looks at.")
    stride: Size | SkipJsonSchema[None] = None
    padding: Size | SkipJsonSchema[None] = Field(default=None, description="Zeros on each side.")
    shape: list[int] | SkipJsonSchema[None] = None
    dtype: ArrayType | SkipJsonSchema[None] = None
    min: float | SkipJsonSchema[None] = None
    max: float | SkipJsonSchema[None] = None
    data: str | SkipJsonSchema[None] = Field(
        default=None, description="The bytes in base64.", json_schema_extra={"contentEncoding": "base64"}
    )
    bias: QuantizedArray | SkipJsonSchema[None] = None


class WeightsAnswer(BaseModel):
    """The layers of a network, first to last."""

    model: str
    version: str
    layers: list[LayerWeights]


class NodeWeights(BaseModel):
    """Weights or another constant of a node."""

    name: str
    shape: list[int]


class GraphNode(BaseModel):
    """One operation."""

    operator: str = Field(description="The operator of ONNX, as Conv; after its domain where that is another.")
    name: str
    inputs: list[str] = Field(description="The tensors that flow into it.")
    outputs: list[str]
    weights: list[NodeWeights]
    parameters: int = Field(ge=0, description="The number of values in its weights.")
    attributes: dict[str, JsonValue] = Field(description="Its settings, as kernel_shape; large constants are left out.")


class GraphTensor(BaseModel):
    """An input or output of a graph."""

    name: str
    datatype: Datatype
    shape: list[int]


class GraphDescription(BaseModel):
    """One graph of a model, as it was exported."""

    name: str
    inputs: list[GraphTensor]
    outputs: list[GraphTensor]
    nodes: list[GraphNode] = Field(description="In the order in which they run.")
    shapes: dict[str, list[int]] = Field(
        description="Shapes of tensors, -1 where a size varies; only of those whose shape the file has."
    )
    parameters: int = Field(ge=0)


class GraphAnswer(BaseModel):
    """The graphs of a model."""

    model: str
    version: str
    graphs: list[GraphDescription]


class EvaluationAnswer(Evaluation):
    """How a model was measured."""

    model: str
    version: str
