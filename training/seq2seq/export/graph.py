"""The ONNX graphs of a translator: the encoder, and one step of the decoder for W hypotheses of each of N sources.

Inputs and outputs are described in `service.decoding.graph_io`, shapes in `training.seq2seq.network.model`; R = N x W.
"""

from dataclasses import dataclass

from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from service.bundle.manifest import Datatype, Graph, ProviderKind, TensorSpec
from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    ENCODER,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    SOURCE,
    STATE,
    STEP,
    TOKENS,
    K,
)
from training.common.accelerator_graphs import with_variants
from training.seq2seq.export.encoder_graph import add_encoder
from training.seq2seq.export.quantize import QuantizedGraph, Weights
from training.seq2seq.export.step_graph import add_step
from training.seq2seq.network.model import Seq2Seq

FILES = {ENCODER: "encoder.onnx", STEP: "step.onnx"}

_FALLBACK_OPERATORS = {STEP: ("Concat", "Min", "Range", "Shape", "Squeeze")}
"""Arithmetic on shapes and on k, which onnxruntime by itself leaves to the CPU: a GPU would only return the result."""

_DATATYPES = {
    Datatype.INT32: TensorProto.INT32,
    Datatype.INT64: TensorProto.INT64,
    Datatype.FP32: TensorProto.FLOAT,
}


@dataclass(frozen=True)
class _Tensor:
    """A tensor with its axes: sizes, or names of axes that vary."""

    name: str
    datatype: Datatype
    axes: tuple[str | int, ...]

    def spec(self) -> TensorSpec:
        shape = tuple(size if isinstance(size, int) else -1 for size in self.axes)
        return TensorSpec(name=self.name, datatype=self.datatype, shape=shape)

    def info(self) -> ValueInfoProto:
        return helper.make_tensor_value_info(self.name, _DATATYPES[self.datatype], list(self.axes))


def build_graphs(network: Seq2Seq, weights: Weights) -> tuple[dict[str, Graph], dict[str, bytes]]:
    """Both graphs for CPUs, and their variants for other execution providers.

    Returns:
        Their descriptions for the manifest, and the content of their files by file name.
    """
    specs = {name: _spec(name, inputs, outputs) for name, (inputs, outputs) in _tensors(network).items()}
    for_cpus, for_others = (
        {name: _model(name, network, QuantizedGraph(weights, kind)) for name in specs} for kind in ProviderKind
    )
    return with_variants(specs, for_cpus, for_others, _FALLBACK_OPERATORS)


def _spec(name: str, inputs: list[_Tensor], outputs: list[_Tensor]) -> Graph:
    return Graph(
        file=FILES[name],
        inputs=tuple(tensor.spec() for tensor in inputs),
        outputs=tuple(tensor.spec() for tensor in outputs),
    )


def _model(name: str, network: Seq2Seq, graph: QuantizedGraph) -> ModelProto:
    (add_encoder if name == ENCODER else add_step)(graph, network)
    inputs, outputs = _tensors(network)[name]
    return graph.proto(name, [one.info() for one in inputs], [one.info() for one in outputs])


def _tensors(network: Seq2Seq) -> dict[str, tuple[list[_Tensor], list[_Tensor]]]:
    """Inputs and outputs of each graph."""
    int32, fp32, state = Datatype.INT32, Datatype.FP32, network.state_size
    attention = network.decoder.attention
    memory, width = [], network.encoder.width
    if attention is not None:
        keys = width if attention.key is None else attention.key.out_features
        memory = [_Tensor(MEMORY, fp32, ("N", "S", width)), _Tensor(KEYS, fp32, ("N", "S", keys))]
    lengths = _Tensor(LENGTHS, int32, ("N",))
    return {
        ENCODER: (
            [_Tensor(SOURCE, int32, ("N", "S")), lengths],
            [*memory, _Tensor(STATE, fp32, ("N", state))],
        ),
        STEP: (
            [
                _Tensor(TOKENS, int32, ("N", "W")),
                _Tensor(STATE, fp32, ("N", "W", state)),
                *([*memory, lengths] if memory else []),
                _Tensor(K, Datatype.INT64, (1,)),
            ],
            [
                _Tensor(LOG_PROBS, fp32, ("N", "W", "k")),
                _Tensor(CANDIDATES, int32, ("N", "W", "k")),
                _Tensor(NEXT_STATE, fp32, ("N", "W", state)),
                *([_Tensor(ATTENTION, fp32, ("N", "W", "S"))] if memory else []),
            ],
        ),
    }
