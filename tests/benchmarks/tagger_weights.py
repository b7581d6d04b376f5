"""A tagger's graph with weights stored in fewer bits, and with LSTMs that compute in int8: size, speed, decisions.

    python tests/benchmarks/tagger_weights.py runs/pos

`fp32`, `fp16`, `int8-stored` and `int8` are what `export --weights` writes: only the storage differs, but for `int8`,
whose LSTMs multiply integers; its words are computed anew in each batch here. `dynamic` is the fp32 graph after
onnxruntime's quantize_dynamic (DynamicQuantizeLSTM): it has one scale of the activations for a whole batch, so answers
depend on the rest of the batch. It is measured here and never exported.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from service.tasks.token_classification.decoding import Tagging
from service.tasks.token_classification.features import CASING, CHARACTERS, EMISSIONS, FEATURES, LENGTHS, WORDS
from tests.support.onnx_graphs import open_graph
from training.bilstm_crf.config import FAMILY, stored_config
from training.bilstm_crf.data.batches import chunks
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.export.graph import GRAPH_FILE, Weights, build_graph
from training.bilstm_crf.export.integer_graphs import WORDS_FILE, build_integer_graphs, feature_bounds
from training.bilstm_crf.metrics import headline
from training.bilstm_crf.tagger import Tagger, load_tagger
from training.common.run import Run

_REPEATS = 5


class GraphTagger:
    """A graph, or two, with the features and the decoding of its tagger, on one CPU thread."""

    def __init__(self, graphs: dict[str, bytes], tagger: Tagger) -> None:
        self._sessions = {name: open_graph(graph) for name, graph in graphs.items()}
        self._features = tagger.features
        self.tagging = Tagging(tagger.labels, tagger.kind, tagger.transitions())
        self.cpu_seconds = 0.0
        """Spent in the graph so far."""

    def emissions(self, sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Emissions [B, T, K] and lengths [B] of sentences, none of them empty."""
        batch = self._features.batch(sentences)
        start = time.process_time()
        feeds: dict[str, Any] = batch.feeds()
        if WORDS_FILE in self._sessions:
            words = {name: feeds[name] for name in (WORDS, CHARACTERS, CASING)}
            (features,) = self._sessions[WORDS_FILE].run([FEATURES], words)
            feeds = {FEATURES: features[batch.tokens], LENGTHS: batch.lengths}
        (emissions,) = self._sessions[GRAPH_FILE].run([EMISSIONS], feeds)
        self.cpu_seconds += time.process_time() - start
        return emissions, batch.lengths

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of sentences that run as one batch."""
        return [decoded.tags for decoded in self.tagging.decode(*self.emissions(sentences))]


def dynamic(graph: bytes) -> bytes:
    """The graph with LSTMs that quantize their inputs, anew in each run."""
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "quantized"))
        source.write_bytes(graph)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(
            prepared, quantized, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM"], per_channel=True
        )
        return quantized.read_bytes()


def batches(sentences: Sequence[Sequence[str]], budget: int) -> Iterator[tuple[list[int], list[Sequence[str]]]]:
    """Indices and sentences of batches of at most `budget` padded tokens."""
    for indices in chunks([len(sentence) for sentence in sentences], budget):
        yield indices, [sentences[index] for index in indices]


def batched_tags(tagger: GraphTagger, sentences: Sequence[Sequence[str]], budget: int) -> list[list[str]]:
    """The tags of each sentence, in batches of at most `budget` padded tokens."""
    tags: list[list[str]] = [[] for _ in sentences]
    for indices, batch in batches(sentences, budget):
        for index, decoded in zip(indices, tagger.tags(batch), strict=True):
            tags[index] = decoded
    return tags


def words_per_second(tagger: GraphTagger, sentences: Sequence[Sequence[str]], budget: int) -> float:
    """Through the graph alone, in CPU time of one thread: the best of `_REPEATS`."""
    words, best = sum(map(len, sentences)), 0.0
    for _ in range(_REPEATS):
        tagger.cpu_seconds = 0.0
        for _, batch in batches(sentences, budget):
            tagger.emissions(batch)
        best = max(best, words / tagger.cpu_seconds)
    return best


def decoded_per_second(tagger: GraphTagger, sentences: Sequence[Sequence[str]], budget: int) -> float:
    """Words per second through Viterbi, marginals and spans alone: the best of `_REPEATS`."""
    prepared = [tagger.emissions(batch) for _, batch in batches(sentences, budget)]
    best = 0.0
    for _ in range(_REPEATS):
        start = time.process_time()
        for emissions, lengths in prepared:
            tagger.tagging.decode(emissions, lengths)
        best = max(best, sum(map(len, sentences)) / (time.process_time() - start))
    return best


def different_tags(one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> int:
    """Words whose tags differ."""
    pairs = zip(one, other, strict=True)
    return sum(a != b for left, right in pairs for a, b in zip(left, right, strict=True))


def report(tagger: Tagger, graphs: dict[str, dict[str, bytes]], split: Sequence[Sentence]) -> None:
    """Print a row for each graph."""
    gold, sentences = [sentence.tags for sentence in split], [sentence.words for sentence in split]
    exact: list[list[str]] = []
    print("| weights | MB | score | tags unlike fp32 | unlike when alone | words/s, batches of 1,024 | one sentence |")
    print("|---|---|---|---|---|---|---|")
    for name, graph in graphs.items():
        graph_tagger = GraphTagger(graph, tagger)
        predicted = batched_tags(graph_tagger, sentences, 1024)
        exact = exact or predicted
        alone = [graph_tagger.tags([sentence])[0] for sentence in sentences]
        speeds = words_per_second(graph_tagger, sentences, 1024), words_per_second(graph_tagger, sentences[:300], 1)
        print(
            f"| {name} | {sum(map(len, graph.values())) / 1e6:.2f} | {headline(tagger.kind, gold, predicted):.2%} |",
            end="",
        )
        print(f" {different_tags(predicted, exact):,} | {different_tags(alone, predicted):,} |", end="")
        print(f" {speeds[0]:,.0f} | {speeds[1]:,.0f} |", flush=True)
    print(f"\ndecoding alone: {decoded_per_second(graph_tagger, sentences, 1024):,.0f} words/s")


def _graph_files(tagger: Tagger, weights: Weights) -> dict[str, bytes]:
    if weights != "int8":
        return {GRAPH_FILE: build_graph(tagger.network, weights)}
    bounds = feature_bounds(tagger.network, tagger.features, tagger.lexicon.words)
    graphs = build_integer_graphs(tagger.network, bounds)
    return {WORDS_FILE: graphs["words"], GRAPH_FILE: graphs["model"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run of bilstm_crf")
    parser.add_argument("--split", default="dev", help="which sentences (default: dev)")
    options = parser.parse_args()
    run = Run.open(options.run, family=FAMILY)
    data = load_data(stored_config(run).data)
    tagger = load_tagger(run)
    split = [sentence for sentence in data.splits[options.split] if sentence.words]
    names: tuple[Weights, ...] = ("fp32", "fp16", "int8-stored", "int8")
    graphs = {name: _graph_files(tagger, name) for name in names}
    graphs["dynamic"] = {GRAPH_FILE: dynamic(graphs["fp32"][GRAPH_FILE])}
    words = sum(len(sentence.words) for sentence in split)
    print(f"{data.name}, {options.split}: {len(split):,} sentences, {words:,} words; one thread\n")
    report(tagger, graphs, split)


if __name__ == "__main__":
    main()
