"""The exported graph held against PyTorch on the dev sentences: emissions, decisions and score."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.tasks.token_classification.decoding import TaggedSentence, Tagging
from service.tasks.token_classification.features import EMISSIONS, WordFeatures
from training.bilstm_crf.data.batches import chunks
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.export.graph import Weights
from training.bilstm_crf.metrics import headline
from training.bilstm_crf.tagger import Tagger
from training.common.errors import ExportError
from training.common.export import PARITY_TOLERANCE, open_graph

MOST_LOST = 0.001
"""Of accuracy or F1: what storing the weights in fewer bits may cost."""

_BUDGET = 1024
_ALONE = 64  # sentences that are run by themselves too


class OnnxTagger:
    """The graph with what stands around it when it is served, on one CPU thread."""

    def __init__(self, graph: bytes, tagger: Tagger) -> None:
        self._session: onnxruntime.InferenceSession = open_graph(graph)
        self._features: WordFeatures = tagger.features
        self.tagging = Tagging(tagger.labels, tagger.kind, tagger.transitions())
        self.cpu_seconds = 0.0
        """Spent in the graph so far."""

    def emissions(self, sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """[B, T, K] and lengths [B] of sentences of which none is empty."""
        batch = self._features.batch(sentences)
        begun = time.process_time()
        (found,) = self._session.run([EMISSIONS], batch.feeds())
        self.cpu_seconds += time.process_time() - begun
        return found, batch.lengths

    def decode(self, sentences: Sequence[Sequence[str]]) -> list[TaggedSentence]:
        """The same as tags, scores and spans."""
        return self.tagging.decode(*self.emissions(sentences)) if sentences else []


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What exporting changed, on so many dev sentences."""

    sentences: int
    words: int
    difference: float
    """The greatest of an emission from PyTorch's."""
    batching: float
    """The greatest of an emission between a sentence alone and in a padded batch."""
    changed: int
    """Words whose tag is another."""
    pytorch: float
    """Accuracy or F1 with PyTorch."""
    graph: float
    """The same with the graph."""
    words_per_second: float
    """Through the graph alone, on one thread, in batches."""

    @property
    def lost(self) -> float:
        """Of accuracy or F1; negative where the graph is better."""
        return self.pytorch - self.graph


def check_parity(tagger: Tagger, graph: bytes, data: TaggedData, weights: Weights) -> Parity:
    """Tag the dev sentences with both.

    Raises:
        ExportError: float32 emissions differ, batch mates or padding change an answer, or the score is lower by 0.1.
    """
    dev = [sentence for sentence in data.splits["dev"] if sentence.words]
    served = OnnxTagger(graph, tagger)
    found: list[list[str]] = [[] for _ in dev]
    expected: list[list[str]] = [[] for _ in dev]
    difference = highest = 0.0
    for places in chunks([len(sentence.words) for sentence in dev], _BUDGET):
        sentences = [dev[place].words for place in places]
        theirs, lengths = tagger.emissions(sentences)
        ours, _ = served.emissions(sentences)
        inside = np.arange(theirs.shape[1]) < lengths[:, None]
        difference = max(difference, float(np.abs(ours - theirs)[inside].max()))
        highest = max(highest, float(np.abs(theirs)[inside].max()))
        for tags, emissions in ((found, ours), (expected, theirs)):
            for place, decoded in zip(places, served.tagging.decode(emissions, lengths), strict=True):
                tags[place] = decoded.tags
    words = sum(map(len, found))
    seconds = served.cpu_seconds
    true = [sentence.tags for sentence in dev]
    parity = Parity(
        sentences=len(dev),
        words=words,
        difference=difference,
        batching=_batching(served, [sentence.words for sentence in dev]),
        changed=sum(
            one != other
            for left, right in zip(found, expected, strict=True)
            for one, other in zip(left, right, strict=True)
        ),
        pytorch=headline(data.kind, true, expected),
        graph=headline(data.kind, true, found),
        words_per_second=words / max(seconds, 1e-9),
    )
    _judge(parity, weights, PARITY_TOLERANCE * max(1.0, highest))
    return parity


def _batching(served: OnnxTagger, sentences: Sequence[Sequence[str]]) -> float:
    """The greatest difference between sentences alone and with others, short and long ones together."""
    step = max(1, len(sentences) // _ALONE)
    chosen = sentences[::step][:_ALONE]
    together, lengths = served.emissions(chosen)
    differences = [
        float(np.abs(served.emissions([sentence])[0][0] - row[:length]).max())
        for sentence, row, length in zip(chosen, together, lengths.tolist(), strict=True)
    ]
    return max(differences)


def _judge(parity: Parity, weights: Weights, tolerance: float) -> None:
    """Raise ExportError where something is not as it must be."""
    where = f"the {parity.sentences:,} dev sentences"
    advice = f"(limit {tolerance:.2g}); nothing was written. Check the versions of torch and onnxruntime"
    if weights == "fp32" and not parity.difference <= tolerance:
        raise ExportError(f"the ONNX graph differs from PyTorch on {where}: by up to {parity.difference:.2g} {advice}")
    if not parity.batching <= tolerance:
        raise ExportError(f"the ONNX graph answers a batch otherwise: by up to {parity.batching:.2g} {advice}")
    if parity.lost >= MOST_LOST and parity.changed > 1:  # of few sentences one word is more than that
        raise ExportError(
            f"weights stored as {weights} cost {100 * parity.lost:.2f} points on {where} ({parity.graph:.2%}, "
            f"PyTorch {parity.pytorch:.2%}), the limit is {100 * MOST_LOST:.1f}; nothing was written. "
            f"{_REMEDIES[weights]}"
        )


_REMEDIES: dict[Weights, str] = {
    "int8": "Export with --weights fp16 or --weights fp32",
    "fp16": "Export with --weights fp32",
    "fp32": "Check the versions of torch and onnxruntime",
}
