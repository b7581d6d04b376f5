"""The exported graphs held against PyTorch on dev sentences: log-probabilities, translations and BLEU."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from service.decoding import Hypothesis, SearchSettings
from service.decoding.graph_io import (
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
    Tensors,
)
from service.runtime.stepper import HYPOTHESES, JOBS, Job
from service.tasks.tensors import object_array
from service.tasks.translation import TranslationPredictor
from training.common.errors import ExportError
from training.common.export import PARITY_TOLERANCE
from training.seq2seq.data.batches import EncodedPair, make_batch
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.export.quantize import Weights
from training.seq2seq.metrics import bleu
from training.seq2seq.search import search as torch_search
from training.seq2seq.translator import Translator

MOST_LOST = 0.3
"""Of BLEU: what storing the weights in fewer bits may cost."""

_SENTENCES = 2_000
_FORCED = 100  # sentences whose log-probabilities are compared
_ALONE = 32  # sentences that are run by themselves too
_SLACK = 20  # of float32: sums of other orders, through many steps


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What exporting changed, on so many dev sentences."""

    sentences: int
    beam_size: int
    difference: float
    """The greatest of a log-probability of a reference's piece from PyTorch's."""
    typical: float
    """The mean of those."""
    batching: float
    """The greatest of a score between a sentence alone and with others."""
    changed: int
    """Translations that are not PyTorch's."""
    pytorch: float
    """BLEU of PyTorch's translations, in percent."""
    graph: float
    """BLEU of the graphs', by the server's search."""
    sentences_per_second: float

    @property
    def lost(self) -> float:
        """BLEU that the graphs lose."""
        return self.pytorch - self.graph

    @property
    def most_lost(self) -> float:
        """BLEU that they may lose: `MOST_LOST`, and more of few sentences, of which chance decides as much."""
        return MOST_LOST * max(1.0, math.sqrt(_SENTENCES / max(1, self.sentences)))


def check_parity(
    translator: Translator, predictor: TranslationPredictor, data: ParallelData, weights: Weights
) -> Parity:
    """Translate dev sentences with PyTorch and with the predictor, by the bundle's default search.

    Args:
        translator: the trained network.
        predictor: of the bundle's draft.
        data: with dev pairs.
        weights: how the bundle stores them.

    Raises:
        ExportError: float32 log-probabilities differ; a sentence comes out otherwise in a batch; or what is stored in
            fewer bits loses more BLEU than `Parity.most_lost`.
    """
    settings = predictor.preprocessing.search(predictor.preprocessing.beam_size)
    pairs = data.splits["dev"][:_SENTENCES]
    sources = [translator.encode(pair.source) for pair in pairs]
    targets = [translator.target.encode(pair.target) for pair in pairs]
    differences = _differences(translator, predictor, sources[:_FORCED], targets[:_FORCED])
    begun = time.perf_counter()
    found = _translate(predictor, sources, settings)
    seconds = time.perf_counter() - begun
    expected = torch_search(translator.network, sources, settings)
    texts, theirs = ([translator.target.decode(one[0].tokens) for one in some] for some in (found, expected))
    wanted = [pair.target for pair in pairs]
    lower_case = translator.config.data.lower_case
    parity = Parity(
        sentences=len(pairs),
        beam_size=settings.beam_size,
        difference=float(differences.max(initial=0)),
        typical=float(differences.mean()),
        batching=_batching(predictor, sources, found, settings),
        changed=sum(one != other for one, other in zip(texts, theirs, strict=True)),
        pytorch=bleu(theirs, wanted, lower_case=lower_case, language=data.target),
        graph=bleu(texts, wanted, lower_case=lower_case, language=data.target),
        sentences_per_second=len(pairs) / max(seconds, 1e-9),
    )
    _judge(parity, weights)
    return parity


def _translate(
    predictor: TranslationPredictor, sources: Sequence[Sequence[int]], settings: SearchSettings
) -> list[list[Hypothesis]]:
    """The hypotheses of each source (pieces without END), best first."""
    jobs = [Job(source, settings) for source in sources]
    hypotheses: list[list[Hypothesis]] = predictor.infer({JOBS: object_array(jobs)})[HYPOTHESES].tolist()
    return hypotheses


def _differences(
    translator: Translator,
    predictor: TranslationPredictor,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
) -> NDArray[np.float32]:
    """How far the log-probabilities of the references' pieces, END among them, are from PyTorch's."""
    pairs = [EncodedPair(source, target) for source, target in zip(sources, targets, strict=True)]
    theirs = _forced_by_torch(translator, pairs)
    ours = _forced(predictor, pairs, translator.target.size)
    # The vocabulary may not have a piece of a reference: UNKNOWN, which has no probability.
    both = [
        (one[known], other[known]) for one, other in zip(ours, theirs, strict=True) for known in [np.isfinite(other)]
    ]
    return np.concatenate([np.abs(one - other) for one, other in both])


@torch.inference_mode()
def _forced_by_torch(translator: Translator, pairs: Sequence[EncodedPair]) -> list[NDArray[np.float32]]:
    """Of each reference's pieces, all at once as in training."""
    batch = make_batch(pairs, translator.device)
    scores = translator.network.output(translator.network(batch.source, batch.lengths, batch.decoder_input))
    scores[..., translator.network.forbidden] = -torch.inf
    found = scores.log_softmax(2).gather(2, batch.target.unsqueeze(2)).squeeze(2).cpu().numpy()
    return [row[: len(pair.target) + 1] for row, pair in zip(found, pairs, strict=True)]


def _forced(
    predictor: TranslationPredictor, pairs: Sequence[EncodedPair], vocabulary: int
) -> list[NDArray[np.float32]]:
    """The same by the graphs, step by step."""
    batch = make_batch(pairs, torch.device("cpu"))
    lengths = batch.lengths.numpy().astype(np.int32)
    encoded = predictor.sessions[ENCODER].run({SOURCE: batch.source.numpy().astype(np.int32), LENGTHS: lengths})
    fixed: Tensors = {K: np.array([vocabulary], np.int64)}
    if KEYS in encoded:
        fixed |= {KEYS: encoded[KEYS], MEMORY: encoded[MEMORY], LENGTHS: lengths}
    state, columns = encoded[STATE][:, None], []
    for given, wanted in zip(batch.decoder_input.T.numpy(), batch.target.T.numpy(), strict=True):
        outputs = predictor.sessions[STEP].run({TOKENS: given.astype(np.int32)[:, None], STATE: state, **fixed})
        state = outputs[NEXT_STATE]
        # Each piece is once among all candidates.
        rows, _, places = np.nonzero(outputs[CANDIDATES] == wanted[:, None, None])
        columns.append(outputs[LOG_PROBS][rows, 0, places])
    found = np.stack(columns, axis=1)
    return [row[: len(pair.target) + 1] for row, pair in zip(found, pairs, strict=True)]


def _batching(
    predictor: TranslationPredictor,
    sources: Sequence[Sequence[int]],
    found: Sequence[Sequence[Hypothesis]],
    settings: SearchSettings,
) -> float:
    """The greatest difference between scores of sentences alone and with others; 1 where the pieces are others."""
    worst = 0.0
    for place in range(0, len(sources), max(1, len(sources) // _ALONE)):
        (alone,) = _translate(predictor, [sources[place]], settings)
        for one, other in zip(alone, found[place], strict=True):
            same = one.tokens == other.tokens or abs(one.score - other.score) < PARITY_TOLERANCE  # a tie
            worst = max(worst, abs(one.score - other.score) if same else 1.0)
    return worst


def _judge(parity: Parity, weights: Weights) -> None:
    """Raise ExportError where something is not as it must be."""
    where, tolerance = f"{parity.sentences:,} dev sentences", _SLACK * PARITY_TOLERANCE
    advice = f"(limit {tolerance:.2g}); nothing was written. Check the versions of torch and onnxruntime"
    if weights == "fp32" and not parity.difference <= tolerance:
        raise ExportError(f"the ONNX graphs differ from PyTorch on {where}: by up to {parity.difference:.2g} {advice}")
    if not parity.batching <= tolerance:
        raise ExportError(f"the ONNX graphs answer a batch otherwise: by up to {parity.batching:.2g} {advice}")
    if parity.lost > parity.most_lost:
        raise ExportError(
            f"weights stored as {weights} cost {parity.lost:.2f} BLEU on {where} ({parity.graph:.2f}, PyTorch "
            f"{parity.pytorch:.2f}), the limit is {parity.most_lost:.1f}; nothing was written. {_REMEDIES[weights]}"
        )


_REMEDIES: dict[Weights, str] = {
    "int8": "Export with --weights int8-stored, fp16 or fp32",
    "int8-stored": "Export with --weights fp16 or fp32",
    "fp16": "Export with --weights fp32",
    "fp32": "Check the versions of torch and onnxruntime",
}
