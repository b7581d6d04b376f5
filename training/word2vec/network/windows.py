"""Windows of text as tensors: frequent words left out, contexts of random size, padded to one shape."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """N centre words with up to C context words each."""

    centres: Tensor
    """[N]"""
    contexts: Tensor
    """[N, C]; where there is none, any word."""
    present: Tensor
    """[N, C] bool: where there is one."""

    def __len__(self) -> int:
        return len(self.centres)

    def __getitem__(self, chosen: Tensor) -> "Windows":
        return Windows(centres=self.centres[chosen], contexts=self.contexts[chosen], present=self.present[chosen])


def make_windows(ids: Tensor, keep: Tensor, window: int, random: torch.Generator) -> Windows:
    """Every word that stays with its context words; a window of which no context word is left is left out.

    Args:
        ids: [tokens], words of the corpus with -1 between sentences, which no window crosses.
        keep: [V], the probability that a word stays in the text (Mikolov et al. 2013b, section 2.3).
        window: most context words to each side; for each centre word a size from 1 to `window` is drawn, so that
            nearer words are taken more often (Mikolov et al. 2013a, section 3.2).
        random: draws, on the device of `ids`.
    """
    device = ids.device
    stays = (ids < 0) | (torch.rand(len(ids), generator=random, device=device) < keep[ids])
    ids = ids[stays]
    sentence = (ids < 0).cumsum(0)[ids >= 0]
    words = ids[ids >= 0].long()
    place = torch.arange(len(words), device=device)
    steps = torch.tensor([step for step in range(-window, window + 1) if step], device=device)
    sizes = torch.randint(1, window + 1, (len(words), 1), generator=random, device=device)
    neighbours = place[:, None] + steps
    inside = neighbours.clamp(0, max(0, len(words) - 1))
    present = (inside == neighbours) & (steps.abs() <= sizes) & (sentence[inside] == sentence[:, None])
    windows = Windows(centres=words, contexts=words[inside], present=present)
    return windows[present.any(1)]
