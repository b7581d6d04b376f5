"""Small untrained networks, and sentences for them."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.bundle.manifest import ProviderKind
from service.decoding.graph_io import ENCODER, END, STEP, GraphFunction
from service.runtime.session import OnnxSession
from training.seq2seq.config import PRESETS, NetworkConfig, TranslatorConfig
from training.seq2seq.export.graph import build_graphs
from training.seq2seq.export.quantize import Weights
from training.seq2seq.network.model import Seq2Seq

PIECES = 40  # of each vocabulary

KINDS: dict[str, dict[str, Any]] = {
    "default": {"encoder_layers": 2, "decoder_layers": 2},
    "general": {"attend_after": "last", "input_feeding": True, "decoder_layers": 2},
    "bahdanau": {"cell": "gru", "attention": "additive", "input_feeding": True, "attend_after": "last"},
    "dot": {"attention": "dot", "encoder_hidden": 12, "hidden": 24, "layer_norm": True, "decoder_layers": 3},
    "backward": {"bidirectional": False, "encoder_hidden": 20, "encoder_layers": 3, "tied": "target"},
    "sutskever": {"attention": "none", "bidirectional": False, "decoder_layers": 2, "encoder_layers": 2},
    "residual": {"encoder_layers": 3, "decoder_layers": 3, "residual": True},
    "residual encoder": {"encoder_layers": 2, "decoder_layers": 2, "encoder_residual": True},
    "residual norms": {
        "encoder_layers": 2,
        "decoder_layers": 3,
        "residual": True,
        "layer_norm": True,
        "cell": "gru",
        "input_feeding": True,
        "attend_after": "last",
    },
    "gru": {"cell": "gru", "attention": "none", "tied": "none", "layer_norm": True},
}
"""Settings of networks, by name."""


def build_network(kind: str, *, seed: int = 0, spread: float = 0.0) -> Seq2Seq:
    """A network of that kind with random weights; a larger `spread` gives less uniform probabilities."""
    small = NetworkConfig(embedding=16, encoder_layers=1, encoder_hidden=12, decoder_layers=1, hidden=20)
    config = replace(TranslatorConfig(data=PRESETS["default"].data), network=replace(small, **KINDS[kind]))
    torch.manual_seed(seed)
    network = Seq2Seq(config, PIECES, PIECES).eval()
    if spread:
        with torch.no_grad():
            for weights in network.parameters():
                weights.add_(torch.randn_like(weights) * spread)
            network.output.bias[END] += 3 * spread  # or hardly any sentence would end
    return network


def random_sources(count: int, *, longest: int = 9, seed: int = 0) -> list[list[int]]:
    """Random sentences of 0 to `longest` tokens."""
    generator = np.random.default_rng(seed)
    return [generator.integers(4, PIECES, size=generator.integers(0, longest + 1)).tolist() for _ in range(count)]


def open_graphs(
    network: Seq2Seq, weights: Weights, kind: ProviderKind = ProviderKind.CPU
) -> tuple[GraphFunction, GraphFunction]:
    """The encoder and the step as they are exported for a kind of execution provider, on one CPU thread."""
    specs, files = build_graphs(network, weights)
    with tempfile.TemporaryDirectory(prefix="lectern-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        graphs = [specs[name].variant(kind) for name in (ENCODER, STEP)]
        sessions = [
            OnnxSession(Path(folder) / graph.file, graph, providers=["CPUExecutionProvider"]) for graph in graphs
        ]
    return sessions[0].run, sessions[1].run
