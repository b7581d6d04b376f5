"""Beam search with the PyTorch network: the served search (`service.decoding`) drives the network in place of graphs.

So evaluation measures what the server does: the same candidates, repetition guard and stopping.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from service.decoding import Hypothesis, SearchSettings
from service.decoding import search as decode
from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    SOURCE,
    STATE,
    TOKENS,
    GraphFunction,
    K,
    Tensors,
)
from training.seq2seq.network.model import Memory, Seq2Seq
from training.seq2seq.translator import Translator

_MAX_HYPOTHESES = 320  # in a step


class Translation(NamedTuple):
    """The best translation of a sentence."""

    text: str
    source: Sequence[int]
    """Token ids of the sentence, with placeholders as they were translated, without END."""
    hypothesis: Hypothesis
    """As it was decoded, with attention weights if the network has attention."""


def translate(translator: Translator, sentences: Sequence[str], settings: SearchSettings) -> list[Translation]:
    """The best translation of each sentence, as the server would answer it."""
    texts = [translator.segment(sentence) for sentence in sentences]
    sources = [text.segments[0] for text in texts]
    hypotheses = [best[0] for best in search(translator.network, sources, settings, wants_attention=True)]
    return [
        Translation(translator.restore(text, hypothesis), source, hypothesis)
        for text, source, hypothesis in zip(texts, sources, hypotheses, strict=True)
    ]


def search(
    network: Seq2Seq, sources: Sequence[Sequence[int]], settings: SearchSettings, *, wants_attention: bool = False
) -> list[list[Hypothesis]]:
    """The hypotheses of each source, best first.

    Args:
        network: in evaluation mode, on any device.
        sources: token ids, without END.
        settings: settings of all sources.
        wants_attention: whether hypotheses have attention weights, if the network has attention.
    """
    encode, step = network_functions(network)
    return decode(encode, step, sources, settings, wants_attention=wants_attention, max_hypotheses=_MAX_HYPOTHESES)


def network_functions(network: Seq2Seq) -> tuple[GraphFunction, GraphFunction]:
    """Encoder and step as functions of numpy arrays, with the tensors of `service.decoding.graph_io`."""
    device = network.output.bias.device

    @torch.inference_mode()
    def encode(feeds: Tensors) -> Tensors:
        source, lengths = (torch.from_numpy(feeds[name]).to(device, torch.int64) for name in (SOURCE, LENGTHS))
        memory = network.encode(source, lengths)
        outputs = {STATE: memory.state}
        if memory.keys is not None:
            outputs |= {KEYS: memory.keys, MEMORY: memory.values}
        return {name: values.cpu().numpy() for name, values in outputs.items()}

    @torch.inference_mode()
    def step(feeds: Tensors) -> Tensors:
        tokens = torch.from_numpy(feeds[TOKENS]).to(device, torch.int64)
        state = torch.from_numpy(feeds[STATE]).to(device)
        log_probs, next_state, attention = network.step(tokens, state, _memory(feeds, state))
        best = log_probs.topk(min(int(feeds[K][0]), log_probs.shape[2]), dim=2)
        outputs = {LOG_PROBS: best.values, CANDIDATES: best.indices.to(torch.int32), NEXT_STATE: next_state}
        if attention is not None:
            outputs[ATTENTION] = attention
        return {name: values.cpu().numpy() for name, values in outputs.items()}

    return encode, step


def _memory(feeds: Tensors, state: Tensor) -> Memory:
    """The encoder's memory as the step's inputs have it; without attention an empty one, which nothing reads."""
    if KEYS not in feeds:
        nothing = state.new_empty(len(state), 0, 0)
        return Memory(values=nothing, keys=None, mask=nothing.new_empty(len(state), 0, dtype=torch.bool), state=state)
    keys, values, lengths = (torch.from_numpy(feeds[name]).to(state.device) for name in (KEYS, MEMORY, LENGTHS))
    mask = torch.arange(keys.shape[1], device=state.device) < lengths.unsqueeze(1)
    return Memory(values=values, keys=keys, mask=mask, state=state)
