"""Reads the weights of a tagger back from a bundle of one graph: the reverse of `export.graph`."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from service.bundle.files import Bundle
from service.bundle.manifest import Task
from service.tasks.token_classification.features import (
    TokenClassificationPreprocessing,
    WordFeatures,
    read_characters,
    read_words,
)
from service.tasks.token_classification.loading import MODEL, WORD_GRAPH
from training.bilstm_crf.config import PRESETS, NetworkConfig
from training.bilstm_crf.data.vocabulary import Lexicon
from training.bilstm_crf.network.model import BiLstm, BiLstmCrf, CharacterBiLstm, CharacterCnn
from training.bilstm_crf.tagger import Tagger, build_network
from training.common.config import from_dict
from training.common.errors import ConfigError
from training.common.graph_constants import GraphConstants
from training.common.onnx_gates import from_onnx_gates

_NOT_SETTINGS = ("vectors_data",)
"""What an export adds to the network's settings in the manifest."""
_OLDER_NAMES = {"spelling_letters": "letters"}
"""Constants of earlier releases, in which a network had one character encoder."""


def tagger_of_bundle(bundle: Bundle) -> Tagger:
    """The tagger of a bundle that computes in float32.

    Raises:
        ConfigError: it is no tagger that this project exported, or one that computes in integers.
    """
    manifest = bundle.manifest
    if manifest.task is not Task.TOKEN_CLASSIFICATION or not isinstance(
        manifest.provenance.config.get("network"), dict
    ):
        raise ConfigError(f"{bundle.path}: is no tagger of lectern-train; name one, such as models/pos-xx/1")
    if WORD_GRAPH in manifest.graphs:
        raise ConfigError(f"{bundle.path}: computes in integers, which cannot be undone; name an earlier version")
    preprocessing = TokenClassificationPreprocessing.model_validate(manifest.preprocessing)
    words = read_words(bundle.file(preprocessing.vocabulary))
    characters = read_characters(bundle.file(preprocessing.characters))
    graph = manifest.graphs[MODEL]
    constants = GraphConstants(bundle.file(graph.file), _OLDER_NAMES)
    table = constants.read("word_table").numpy()
    lexicon = Lexicon(
        words=words, characters=characters, trained_rows=1, table=table,
        initial_difference=np.zeros((1, table.shape[1]), np.float32),
    )  # fmt: skip
    settings: Any = manifest.provenance.config["network"]
    config = from_dict(
        NetworkConfig,
        {name: value for name, value in settings.items() if name not in _NOT_SETTINGS},
        where=str(bundle.path),
    )
    labels = manifest.labels or ()
    config = replace(config, tune_vectors=False, transition_rank=0)  # a bundle has all transitions
    network = build_network(replace(PRESETS["default"], network=config), lexicon, labels)
    _load(network, constants)
    if network.crf is not None and preprocessing.transitions is not None:
        with torch.no_grad():
            network.crf.weights.copy_(torch.from_numpy(np.load(bundle.file(preprocessing.transitions))))
    features = WordFeatures(words, characters, preprocessing.max_characters, emoji=preprocessing.emoji)
    epoch = manifest.provenance.config.get("epoch")
    return Tagger(
        labels=labels, kind=preprocessing.kind, features=features, network=network.eval(), lexicon=lexicon,
        epoch=epoch if isinstance(epoch, int) else 0,
    )  # fmt: skip


def _load(network: BiLstmCrf, constants: GraphConstants) -> None:
    constants.copy("casings", network.casing.weight)
    for encoder in network.characters:
        if isinstance(encoder, CharacterCnn):
            _load_cnn(encoder, constants)
        else:
            assert isinstance(encoder, CharacterBiLstm)
            constants.copy("spelling_letters", encoder.embedding.weight)
            _load_lstm(encoder.lstm, constants, "spelling")
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, BiLstm)
        _load_lstm(layer, constants, f"layer_{number}")
    constants.copy("output", network.output.weight, Tensor.t)
    constants.copy("output_bias", network.output.bias)


def _load_cnn(network: CharacterCnn, constants: GraphConstants) -> None:
    """The last column of the table, and the last row of the filters, are the response at padding."""
    constants.copy("letters", network.embedding.weight, lambda values: values[:, :-1])
    assert network.convolution.bias is not None
    constants.copy("filters_bias", network.convolution.bias)
    taps = [constants.read(f"filters_{position}")[:-1].T for position in ("left", "middle", "right")]
    weights = torch.stack(taps, dim=2)
    constants.check_shape("filters_left", weights, network.convolution.weight)
    with torch.no_grad():
        network.convolution.weight.copy_(weights)


def _load_lstm(layer: BiLstm, constants: GraphConstants, name: str) -> None:
    """Both directions, which are stacked, with their gates in ONNX's order."""
    stored = "_stored" if f"{name}_input_stored" in constants else ""
    matrices = [constants.read(f"{name}_{kind}{stored}") for kind in ("input", "recurrent")]
    biases = constants.read(f"{name}_bias")
    for number, lstm in enumerate((layer.forward_lstm, layer.backward_lstm)):
        values = [matrix[number] for matrix in matrices] + list(biases[number].chunk(2))
        for parameter, part in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), values, strict=True):
            target = lstm.get_parameter(parameter)
            constants.check_shape(f"{name} ({parameter})", part, target)
            with torch.no_grad():
                target.copy_(from_onnx_gates("lstm", part))
