"""Reads the weights of a network back from a bundle's graphs: the reverse of `export.graph`.

Weights that were stored in 8 bits come back as the multiples of their scales that they were rounded to, so that a
second export of them is the same again.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from training.common.graph_constants import GraphConstants
from training.common.onnx_gates import from_onnx_gates
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.network.recurrent import Recurrent

_OLDER_NAMES = {"bridge_linear_bias": "bridged_linear_bias"}
"""Constants that had another name in bundles of earlier releases."""


def load_graph_weights(network: Seq2Seq, encoder: Path, step: Path) -> None:
    """Set all weights of a network to those of two exported graphs.

    Args:
        network: of the same architecture and vocabulary sizes as the exported one.
        encoder: the encoder's ONNX file.
        step: the ONNX file of one step of the decoder.

    Raises:
        ConfigError: a constant is missing or has another shape; the message names the file and the constant.
    """
    _load_encoder(network, GraphConstants(encoder, _OLDER_NAMES))
    _load_step(network, GraphConstants(step, _OLDER_NAMES))


def _load_encoder(network: Seq2Seq, constants: GraphConstants) -> None:
    encoder, attention = network.encoder, network.decoder.attention
    shared = network.source_embedding is network.target_embedding
    constants.copy("embeddings" if shared else "source_table", network.source_embedding.weight)
    for number, backward in enumerate(encoder.backwards):
        directions = [*([encoder.forwards[number]] if encoder.forwards else []), backward]
        _load_layer(constants, f"encoder_{number}", [layer for layer in directions if isinstance(layer, Recurrent)])
        if encoder.norms:
            _load_norm(constants, f"encoder_{number}_norm", encoder.norms[number])
    constants.copy("bridge", network.bridge.weight)
    constants.copy("bridge_linear_bias", network.bridge.bias)
    if attention is not None and attention.key is not None:
        constants.copy("key", attention.key.weight)


def _load_layer(constants: GraphConstants, name: str, layers: list[Recurrent]) -> None:
    """The weights of an encoder layer, whose directions are stacked, with their gates in ONNX's order."""
    matrices = [constants.read(f"{name}_{kind}_stored") for kind in ("input", "recurrent")]
    biases = constants.read(f"{name}_bias")
    for number, layer in enumerate(layers):
        parameters = layer.weights.all_weights[0]
        parts = [*(matrix[number : number + 1].flatten(0, 1) for matrix in matrices)]
        parts += biases[number : number + 1].flatten().chunk(2)
        for parameter, values in zip(parameters, parts, strict=True):
            constants.check_shape(f"{name}_input_stored", values, parameter)
            with torch.no_grad():
                parameter.copy_(from_onnx_gates(layer.cell, values))


def _load_step(network: Seq2Seq, constants: GraphConstants) -> None:
    decoder, tied = network.decoder, network.config.tied
    if tied != "all":
        constants.copy("target_table", network.target_embedding.weight)
    if tied == "none":
        constants.copy("output_table", network.output.weight)
    for number, layer in enumerate(decoder.layers):
        assert isinstance(layer, Recurrent)
        _load_cell(constants, f"decoder_{number}", layer)
        if decoder.norms:
            _load_norm(constants, f"decoder_{number}_norm", decoder.norms[number])
    if decoder.attention is not None and decoder.attention.query is not None:
        constants.copy("query_matrix", decoder.attention.query.weight)
        constants.copy("query_RA_bias", decoder.attention.query.bias)
    if decoder.attention is not None and decoder.attention.score is not None:
        constants.copy("attention_score", decoder.attention.score)
    constants.copy("readout_matrix", decoder.readout.weight)
    constants.copy("readout_linear_bias", decoder.readout.bias)
    constants.copy("scores_RV_bias", network.output.bias, _finite)


def _load_cell(constants: GraphConstants, name: str, layer: Recurrent) -> None:
    """The weights of a decoder layer. An LSTM's two biases were added up, which is all that they do."""
    input_weights, state_weights, input_bias, state_bias = layer.weights.all_weights[0]
    if layer.cell == "gru":
        constants.copy(f"{name}_input", input_weights)
        constants.copy(f"{name}_recurrent", state_weights)
        constants.copy(f"{name}_from_input_bias", input_bias)
        constants.copy(f"{name}_from_state_bias", state_bias)
        return
    constants.copy(f"{name}_input", input_weights, _sigmoids_apart)
    constants.copy(f"{name}_recurrent", state_weights, _sigmoids_apart)
    constants.copy(f"{name}_from_state_bias", input_bias, _sigmoids_apart)
    nn.init.zeros_(state_bias)


def _load_norm(constants: GraphConstants, name: str, layer: nn.Module) -> None:
    assert isinstance(layer, nn.LayerNorm)
    constants.copy(f"{name}_scale", layer.weight)
    constants.copy(f"{name}_shift", layer.bias)


def _sigmoids_apart(values: Tensor) -> Tensor:
    """LSTM gates i, f, g, o of i, f, o, g, in which the step keeps them."""
    i, f, o, g = values.chunk(4)
    return torch.cat([i, f, g, o])


def _finite(bias: Tensor) -> Tensor:
    """The output's bias; minus infinity, which tokens that are never written have, becomes the lowest other value."""
    return torch.where(bias.isfinite(), bias, bias[bias.isfinite()].min() if bias.isfinite().any() else 0.0)
