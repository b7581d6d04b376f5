"""Greedy decoding in batches on the training device, for the dev score after each epoch.

A loop of its own beside `search.py`, which moves every step's tensors through numpy: with small networks that takes
one and a half times as long, and on a GPU it would copy the encoder's memory in every step.
"""

from collections.abc import Sequence

import torch

from service.decoding import Hypothesis, SearchSettings
from service.tasks.translation.subwords import BEGIN, END
from training.seq2seq.data.batches import source_tensors
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.translator import Translator

_BATCH = 128  # sentences
_SETTINGS = SearchSettings(beam_size=1)


@torch.inference_mode()
def greedy(network: Seq2Seq, sources: Sequence[Sequence[int]], device: torch.device) -> list[list[int]]:
    """Decode the most probable token at each step.

    Args:
        network: in evaluation mode.
        sources: token ids, without END.
        device: device of the network.

    Returns:
        The token ids of each translation, without END.
    """
    results: list[list[int]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        for index, tokens in zip(batch, _one_batch(network, [sources[index] for index in batch], device), strict=True):
            results[index] = tokens
    return results


def _one_batch(network: Seq2Seq, sources: Sequence[Sequence[int]], device: torch.device) -> list[list[int]]:
    source, lengths = source_tensors(sources, device)
    memory = network.encode(source, lengths)
    state = memory.state.unsqueeze(1)
    tokens = torch.full((len(sources), 1), BEGIN, device=device)
    max_lengths = torch.tensor([_SETTINGS.max_target_length(len(source)) for source in sources], device=device)
    done = torch.zeros(len(sources), dtype=torch.bool, device=device)
    columns = []
    for step in range(int(max_lengths.max())):
        scores, state, _ = network.step(tokens, state, memory)
        tokens = scores.argmax(dim=2)
        done = done | (tokens[:, 0] == END) | (step >= max_lengths)
        tokens = tokens.masked_fill(done.unsqueeze(1), END)
        columns.append(tokens)
        if bool(done.all()):
            break
    rows = torch.cat(columns, dim=1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def translate_greedily(translator: Translator, sentences: Sequence[str]) -> list[str]:
    """Greedy translations of sentences; placeholders are put back in the order of their types."""
    texts = [translator.segment(sentence) for sentence in sentences]
    results = greedy(translator.network, [text.segments[0] for text in texts], translator.device)
    return [
        translator.restore(text, Hypothesis(tuple(tokens), 0.0, None))
        for text, tokens in zip(texts, results, strict=True)
    ]
