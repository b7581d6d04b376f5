"""A tagger's graph with weights stored in fewer bits, and with LSTMs that compute in int8: size, speed, decisions.

    python tests/benchmarks/tagger_weights.py runs/pos

`fp32`, `fp16`, `int8` are what `export --weights` writes: only the storage differs. `dynamic` is the fp32 graph after
onnxruntime's quantize_dynamic (DynamicQuantizeLSTM): it has one scale of the activations for a whole batch, so answers
depend on batch mates. It is measured here and never exported.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.bilstm_crf.config import FAMILY, stored_config
from training.bilstm_crf.data.batches import chunks
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.export.graph import build_graph
from training.bilstm_crf.export.parity import OnnxTagger
from training.bilstm_crf.metrics import headline
from training.bilstm_crf.tagger import Tagger, load_tagger
from training.common.run import Run

_REPEATS = 5


def dynamic(graph: bytes) -> bytes:
    """The graph with LSTMs that quantise what they are given, anew in each run."""
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared, found = (Path(folder) / name for name in ("whole.onnx", "prepared.onnx", "found.onnx"))
        whole.write_bytes(graph)
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(prepared, found, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM"], per_channel=True)
        return found.read_bytes()


def tags_of(tagger: OnnxTagger, sentences: Sequence[Sequence[str]], budget: int) -> list[list[str]]:
    """The tags of every sentence, in batches of so many padded tokens."""
    found: list[list[str]] = [[] for _ in sentences]
    for places in chunks([len(sentence) for sentence in sentences], budget):
        for place, decoded in zip(places, tagger.decode([sentences[place] for place in places]), strict=True):
            found[place] = decoded.tags
    return found


def words_per_second(tagger: OnnxTagger, sentences: Sequence[Sequence[str]], budget: int) -> float:
    """Through the graph alone, in CPU time of one thread: the best of some."""
    words, best = sum(map(len, sentences)), 0.0
    for _ in range(_REPEATS):
        tagger.cpu_seconds = 0.0
        for places in chunks([len(sentence) for sentence in sentences], budget):
            tagger.emissions([sentences[place] for place in places])
        best = max(best, words / tagger.cpu_seconds)
    return best


def decoding_per_second(tagger: OnnxTagger, sentences: Sequence[Sequence[str]], budget: int) -> float:
    """Words a second through Viterbi, marginals and spans alone."""
    prepared = [
        tagger.emissions([sentences[place] for place in places])
        for places in chunks([len(sentence) for sentence in sentences], budget)
    ]
    best = 0.0
    for _ in range(_REPEATS):
        begun = time.process_time()
        for emissions, lengths in prepared:
            tagger.tagging.decode(emissions, lengths)
        best = max(best, sum(map(len, sentences)) / (time.process_time() - begun))
    return best


def alone_differs(tagger: OnnxTagger, sentences: Sequence[Sequence[str]], batched: Sequence[Sequence[str]]) -> int:
    """Words whose tag is another when the sentence is alone."""
    return sum(
        one != other
        for sentence, tags in zip(sentences, batched, strict=True)
        for one, other in zip(tagger.decode([sentence])[0].tags, tags, strict=True)
    )


def report(tagger: Tagger, graphs: dict[str, bytes], split: Sequence[Sentence]) -> None:
    """A row for each graph."""
    true, sentences = [sentence.tags for sentence in split], [sentence.words for sentence in split]
    exact: list[list[str]] = []
    print("| weights | MB | score | tags unlike fp32 | unlike when alone | words/s, batches of 1,024 | one sentence |")
    print("|---|---|---|---|---|---|---|")
    for name, graph in graphs.items():
        served = OnnxTagger(graph, tagger)
        found = tags_of(served, sentences, 1024)
        exact = exact or found
        unlike = sum(a != b for left, right in zip(found, exact, strict=True) for a, b in zip(left, right, strict=True))
        score = headline(tagger.kind, true, found)
        alone = alone_differs(served, sentences, found)
        speeds = words_per_second(served, sentences, 1024), words_per_second(served, sentences[:300], 1)
        print(f"| {name} | {len(graph) / 1e6:.2f} | {score:.2%} | {unlike:,} | {alone:,} |", end="")
        print(f" {speeds[0]:,.0f} | {speeds[1]:,.0f} |", flush=True)
    print(f"\ndecoding alone: {decoding_per_second(served, sentences, 1024):,.0f} words/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run of bilstm_crf")
    parser.add_argument("--split", default="dev", help="which sentences (default: dev)")
    options = parser.parse_args()
    run = Run.open(options.run, family=FAMILY)
    data = load_data(stored_config(run).data)
    tagger = load_tagger(run)
    split = [sentence for sentence in data.splits[options.split] if sentence.words]
    graphs = {weights: build_graph(tagger.network, weights) for weights in ("fp32", "fp16", "int8")}
    graphs["dynamic"] = dynamic(graphs["fp32"])
    words = sum(len(sentence.words) for sentence in split)
    print(f"{data.name}, {options.split}: {len(split):,} sentences, {words:,} words; one thread\n")
    report(tagger, graphs, split)


if __name__ == "__main__":
    main()
