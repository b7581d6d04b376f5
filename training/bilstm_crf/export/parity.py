"""Parity of the bundle's predictor with PyTorch on the dev sentences: emissions, tags and score."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import ModelFailure
from service.tasks.base import Predictor
from service.tasks.tensors import object_array
from service.tasks.token_classification.decoding import Tagging
from service.tasks.token_classification.predictor import SENTENCES, TAGGED, TokenClassificationPredictor
from training.bilstm_crf.data.batches import chunks
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.export.graph import Weights
from training.bilstm_crf.metrics import headline
from training.bilstm_crf.tagger import Tagger
from training.common.errors import ExportError
from training.common.export import PARITY_TOLERANCE

MAX_SCORE_LOSS = 0.001
"""Accuracy or F1 that storing the weights in fewer bits may cost."""

_MAX_BATCH_TOKENS = 1024
_BATCHING_SENTENCES = 64
"""Dev sentences that are also run alone, to compare with a batch."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Differences between the exported graph and PyTorch on the dev sentences."""

    sentences: int
    words: int
    max_difference: float
    """The largest difference of an emission from PyTorch's."""
    batch_difference: float
    """The largest difference of an emission between a sentence alone and in a padded batch."""
    changed_tags: int
    pytorch_score: float
    """Accuracy or F1 with PyTorch."""
    graph_score: float
    """Accuracy or F1 with the graph."""
    words_per_second: float
    """Through the graph alone, on one thread, in batches."""

    @property
    def score_loss(self) -> float:
        """Accuracy or F1 lost by the export; negative if the graph is better."""
        return self.pytorch_score - self.graph_score


class _Graph:
    """The predictor's graphs, with the CPU time spent in them."""

    def __init__(self, predictor: TokenClassificationPredictor) -> None:
        self._emissions = predictor.emissions
        self.cpu_seconds = 0.0

    def emissions(self, sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Emissions [B, T, K] and lengths [B] of sentences, none of them empty."""
        start = time.process_time()
        emissions = self._emissions(sentences)
        self.cpu_seconds += time.process_time() - start
        return emissions, np.array([len(sentence) for sentence in sentences], np.int32)


@dataclass
class _Comparison:
    """Results of both on the dev sentences: their tags, and the differences of their emissions."""

    pytorch_tags: list[list[str]]
    graph_tags: list[list[str]]
    max_difference: float = 0.0
    max_emission: float = 0.0
    seconds: float = 0.0

    @property
    def changed_tags(self) -> int:
        """Words with different tags."""
        pairs = zip(self.graph_tags, self.pytorch_tags, strict=True)
        return sum(one != other for left, right in pairs for one, other in zip(left, right, strict=True))


def check_parity(tagger: Tagger, predictor: Predictor[Any], data: TaggedData, weights: Weights) -> Parity:
    """Tag the dev sentences with PyTorch and with the predictor that will serve the bundle.

    Args:
        tagger: the trained tagger.
        predictor: the predictor of the bundle's draft.
        data: its dev split is tagged.
        weights: how the graph's weights are stored.

    Raises:
        ExportError: float32 emissions differ, the other sentences of a batch or padding change an answer, or the score
            is lower by 0.1 points.
    """
    dev = [sentence for sentence in data.splits["dev"] if sentence.words]
    assert isinstance(predictor, TokenClassificationPredictor)
    graph = _Graph(predictor)
    try:
        comparison = _compare(tagger, predictor, graph, dev)
    except ModelFailure as error:
        raise ExportError(f"weights stored as {weights}: {error}; nothing was written. {_REMEDIES[weights]}") from error
    words = sum(len(sentence.words) for sentence in dev)
    gold = [sentence.tags for sentence in dev]
    parity = Parity(
        sentences=len(dev),
        words=words,
        max_difference=comparison.max_difference,
        batch_difference=_batch_difference(graph, [sentence.words for sentence in dev]),
        changed_tags=comparison.changed_tags,
        pytorch_score=headline(data.kind, gold, comparison.pytorch_tags),
        graph_score=headline(data.kind, gold, comparison.graph_tags),
        words_per_second=words / max(comparison.seconds, 1e-9),
    )
    _judge(parity, weights, PARITY_TOLERANCE * max(1.0, comparison.max_emission))
    return parity


def _compare(tagger: Tagger, predictor: Predictor[Any], graph: _Graph, dev: Sequence[Sentence]) -> _Comparison:
    """Tag all sentences with both, in batches."""
    tagging = Tagging(tagger.labels, tagger.kind, tagger.transitions())
    result = _Comparison([[] for _ in dev], [[] for _ in dev])
    for indices in chunks([len(sentence.words) for sentence in dev], _MAX_BATCH_TOKENS):
        sentences = [dev[index].words for index in indices]
        expected, lengths = tagger.emissions(sentences)
        emissions, _ = graph.emissions(sentences)
        inside = np.arange(expected.shape[1]) < lengths[:, None]
        result.max_difference = max(result.max_difference, float(np.abs(emissions - expected)[inside].max()))
        result.max_emission = max(result.max_emission, float(np.abs(expected)[inside].max()))
        served = predictor.infer({SENTENCES: object_array(sentences)})[TAGGED]
        for index, ours, theirs in zip(indices, served, tagging.decode(expected, lengths), strict=True):
            result.graph_tags[index], result.pytorch_tags[index] = ours.tags, theirs.tags
    result.seconds = graph.cpu_seconds
    return result


def _batch_difference(graph: _Graph, sentences: Sequence[Sequence[str]]) -> float:
    """The largest difference between sentences alone and in one batch of short and long ones."""
    step = max(1, len(sentences) // _BATCHING_SENTENCES)
    selected = sentences[::step][:_BATCHING_SENTENCES]
    together, lengths = graph.emissions(selected)
    differences = [
        float(np.abs(graph.emissions([sentence])[0][0] - row[:length]).max())
        for sentence, row, length in zip(selected, together, lengths.tolist(), strict=True)
    ]
    return max(differences)


def _judge(parity: Parity, weights: Weights, tolerance: float) -> None:
    """Raise ExportError if the graph is not good enough."""
    where = f"the {parity.sentences:,} dev sentences"
    advice = f"(limit {tolerance:.2g}); nothing was written. Check the versions of torch and onnxruntime"
    if weights == "fp32" and not parity.max_difference <= tolerance:
        raise ExportError(
            f"the ONNX graph differs from PyTorch on {where}: by up to {parity.max_difference:.2g} {advice}"
        )
    if not parity.batch_difference <= tolerance:
        raise ExportError(
            "the ONNX graph's output depends on the other sentences of the batch: it differs by up to "
            f"{parity.batch_difference:.2g} {advice}"
        )
    if parity.score_loss >= MAX_SCORE_LOSS and parity.changed_tags > 1:  # in few sentences one word is more than that
        raise ExportError(
            f"weights stored as {weights} cost {100 * parity.score_loss:.2f} points on {where} "
            f"({parity.graph_score:.2%}, PyTorch {parity.pytorch_score:.2%}), the limit is "
            f"{100 * MAX_SCORE_LOSS:.1f}; nothing was written. {_REMEDIES[weights]}"
        )


_REMEDIES: dict[Weights, str] = {
    "int8": "Export with --weights int8-stored, fp16 or fp32",
    "int8-stored": "Export with --weights fp16 or --weights fp32",
    "fp16": "Export with --weights fp32",
    "fp32": "Check the versions of torch and onnxruntime",
}
