"""Parity of a bundle with PyTorch on dev sentences: log-probabilities, translations and BLEU."""

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
from training.seq2seq.search import search
from training.seq2seq.translator import Translator

MAX_BLEU_LOSS = 0.3
"""BLEU that weights in fewer bits may cost."""

_SENTENCES = 2_000
_SCORED_REFERENCES = 100  # sentences whose references' log-probabilities are compared
_SINGLE_SENTENCES = 32  # sentences that are translated alone too
_TOLERANCE = 20 * PARITY_TOLERANCE  # float32 sums in another order, over many steps


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The differences between the exported graphs and PyTorch, on dev sentences."""

    sentences: int
    beam_size: int
    max_difference: float
    """Greatest difference of a log-probability of a reference's token."""
    mean_difference: float
    """Mean of those differences."""
    batch_difference: float
    """Greatest difference between the score of a sentence that is translated alone and with others."""
    changed_translations: int
    """Number of translations that differ."""
    pytorch_bleu: float
    """BLEU of PyTorch's translations, in percent."""
    graph_bleu: float
    """BLEU of the graphs' translations, in percent."""
    sentences_per_second: float

    @property
    def lost_bleu(self) -> float:
        """BLEU that the graphs lose."""
        return self.pytorch_bleu - self.graph_bleu

    @property
    def max_loss(self) -> float:
        """BLEU that they may lose: `MAX_BLEU_LOSS`, and more on few sentences, where BLEU varies more by chance."""
        return MAX_BLEU_LOSS * max(1.0, math.sqrt(_SENTENCES / max(1, self.sentences)))


def check_parity(
    translator: Translator, predictor: TranslationPredictor, data: ParallelData, weights: Weights
) -> Parity:
    """Translate dev sentences with PyTorch and with the predictor, by the bundle's default search.

    Args:
        translator: the trained network.
        predictor: predictor of the bundle's draft.
        data: with dev pairs.
        weights: how the bundle stores them.

    Raises:
        ExportError: float32 log-probabilities differ; a sentence is translated differently in a batch; or weights in
            fewer bits lose more BLEU than `Parity.max_loss`.
    """
    settings = predictor.preprocessing.search(predictor.preprocessing.beam_size)
    pairs = data.splits["dev"][:_SENTENCES]
    texts = [translator.segment(pair.source) for pair in pairs]
    sources = [text.segments[0] for text in texts]
    copies = translator.rare_words is not None
    scored = [
        EncodedPair(source, translator.target.encode(pair.target))
        for source, pair in zip(sources[:_SCORED_REFERENCES], pairs, strict=False)
    ]
    differences = _log_prob_differences(translator, predictor, scored)
    start = time.perf_counter()
    served = _translate(predictor, sources, settings, wants_attention=copies)
    seconds = time.perf_counter() - start
    expected = search(translator.network, sources, settings, wants_attention=copies)
    ours, theirs = (
        [translator.restore(text, best[0]) for text, best in zip(texts, results, strict=True)]
        for results in (served, expected)
    )
    references = [pair.target for pair in pairs]
    lower_case = translator.config.data.lower_case
    parity = Parity(
        sentences=len(pairs),
        beam_size=settings.beam_size,
        max_difference=float(differences.max(initial=0)),
        mean_difference=float(differences.mean()),
        batch_difference=_batching_difference(predictor, sources, served, settings),
        changed_translations=sum(one != other for one, other in zip(ours, theirs, strict=True)),
        pytorch_bleu=bleu(theirs, references, lower_case=lower_case, language=data.target),
        graph_bleu=bleu(ours, references, lower_case=lower_case, language=data.target),
        sentences_per_second=len(pairs) / max(seconds, 1e-9),
    )
    _check_limits(parity, weights)
    return parity


def _translate(
    predictor: TranslationPredictor,
    sources: Sequence[Sequence[int]],
    settings: SearchSettings,
    *,
    wants_attention: bool = False,
) -> list[list[Hypothesis]]:
    """The hypotheses of each source (token ids without END), best first."""
    jobs = [Job(source, settings, wants_attention) for source in sources]
    hypotheses: list[list[Hypothesis]] = predictor.infer({JOBS: object_array(jobs)})[HYPOTHESES].tolist()
    return hypotheses


def _log_prob_differences(
    translator: Translator, predictor: TranslationPredictor, pairs: Sequence[EncodedPair]
) -> NDArray[np.float32]:
    """Absolute differences of the log-probabilities of all tokens of the references, END included."""
    expected = _torch_log_probs(translator, pairs)
    served = _served_log_probs(predictor, pairs, translator.target.size)
    differences = []
    for ours, theirs in zip(served, expected, strict=True):
        known = np.isfinite(
            theirs
        )  # a reference may have characters outside the vocabulary: UNKNOWN, which is forbidden
        differences.append(np.abs(ours[known] - theirs[known]))
    return np.concatenate(differences)


@torch.inference_mode()
def _torch_log_probs(translator: Translator, pairs: Sequence[EncodedPair]) -> list[NDArray[np.float32]]:
    """Log-probabilities of the tokens of each reference [T + 1], by the network as in training."""
    batch = make_batch(pairs, translator.device)
    scores = translator.network.output(translator.network(batch.source, batch.lengths, batch.decoder_input))
    scores[..., translator.network.forbidden] = -torch.inf
    log_probs = scores.log_softmax(2).gather(2, batch.target.unsqueeze(2)).squeeze(2).cpu().numpy()
    return [row[: len(pair.target) + 1] for row, pair in zip(log_probs, pairs, strict=True)]


def _served_log_probs(
    predictor: TranslationPredictor, pairs: Sequence[EncodedPair], vocabulary: int
) -> list[NDArray[np.float32]]:
    """Log-probabilities of the tokens of each reference [T + 1], by the graphs step by step."""
    batch = make_batch(pairs, torch.device("cpu"))
    lengths = batch.lengths.numpy().astype(np.int32)
    encoded = predictor.sessions[ENCODER].run({SOURCE: batch.source.numpy().astype(np.int32), LENGTHS: lengths})
    constant: Tensors = {K: np.array([vocabulary], np.int64)}
    if KEYS in encoded:
        constant |= {KEYS: encoded[KEYS], MEMORY: encoded[MEMORY], LENGTHS: lengths}
    state, columns = encoded[STATE][:, None], []
    for tokens, targets in zip(batch.decoder_input.T.numpy(), batch.target.T.numpy(), strict=True):
        outputs = predictor.sessions[STEP].run({TOKENS: tokens.astype(np.int32)[:, None], STATE: state, **constant})
        state = outputs[NEXT_STATE]
        # With k = V every token is exactly one of the candidates.
        rows, _, ranks = np.nonzero(outputs[CANDIDATES] == targets[:, None, None])
        columns.append(outputs[LOG_PROBS][rows, 0, ranks])
    log_probs = np.stack(columns, axis=1)
    return [row[: len(pair.target) + 1] for row, pair in zip(log_probs, pairs, strict=True)]


def _batching_difference(
    predictor: TranslationPredictor,
    sources: Sequence[Sequence[int]],
    results: Sequence[Sequence[Hypothesis]],
    settings: SearchSettings,
) -> float:
    """Greatest difference between scores of sentences translated alone and in a batch; 1 if the tokens differ."""
    greatest = 0.0
    for index in range(0, len(sources), max(1, len(sources) // _SINGLE_SENTENCES)):
        (alone,) = _translate(predictor, [sources[index]], settings)
        for one, other in zip(alone, results[index], strict=True):
            same = one.tokens == other.tokens or abs(one.score - other.score) < PARITY_TOLERANCE  # a tie
            greatest = max(greatest, abs(one.score - other.score) if same else 1.0)
    return greatest


def _check_limits(parity: Parity, weights: Weights) -> None:
    """Raise ExportError if a difference is too large."""
    where = f"{parity.sentences:,} dev sentences"
    advice = f"(limit {_TOLERANCE:.2g}); nothing was written. Check the versions of torch and onnxruntime"
    if weights == "fp32" and not parity.max_difference <= _TOLERANCE:
        raise ExportError(
            f"the ONNX graphs differ from PyTorch on {where}: by up to {parity.max_difference:.2g} {advice}"
        )
    if not parity.batch_difference <= _TOLERANCE:
        raise ExportError(
            "the ONNX graphs' scores depend on the other sentences of the batch: they differ by up to "
            f"{parity.batch_difference:.2g} {advice}"
        )
    if parity.lost_bleu > parity.max_loss:
        raise ExportError(
            f"weights stored as {weights} cost {parity.lost_bleu:.2f} BLEU on {where} ({parity.graph_bleu:.2f}, "
            f"PyTorch {parity.pytorch_bleu:.2f}), the limit is {parity.max_loss:.1f}; nothing was written. "
            f"{_REMEDIES[weights]}"
        )


_REMEDIES: dict[Weights, str] = {
    "int8": "Export with --weights int8-stored, fp16 or fp32",
    "int8-stored": "Export with --weights fp16 or fp32",
    "fp16": "Export with --weights fp32",
    "fp32": "Check the versions of torch and onnxruntime",
}
