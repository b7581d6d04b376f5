"""Training windows as tensors: subsampled, with contexts of random size, padded to one shape."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """N center words with up to C context words each."""

    centers: Tensor
    """[N], word ids."""
    contexts: Tensor
    """[N, C], word ids; any word where `present` is False."""
    present: Tensor
    """[N, C], bool: False for padding."""

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, indices: Tensor) -> "Windows":
        return Windows(centers=self.centers[indices], contexts=self.contexts[indices], present=self.present[indices])


def make_windows(ids: Tensor, keep: Tensor, window: int, random: torch.Generator) -> Windows:
    """Make the windows of all words that survive subsampling; windows without a context word are dropped.

    Args:
        ids: [tokens], word ids of the corpus with -1 between sentences; no window crosses a sentence.
        keep: [V], the probability that an occurrence of a word is kept (Mikolov et al. 2013b, section 2.3).
        window: maximum context words on each side; each center word draws a size from 1 to `window`, so that nearer
            words are used more often (Mikolov et al. 2013a, section 3.2).
        random: generator on the device of `ids`.
    """
    device = ids.device
    kept = (ids < 0) | (torch.rand(len(ids), generator=random, device=device) < keep[ids])
    ids = ids[kept]
    sentence = (ids < 0).cumsum(0)[ids >= 0]
    words = ids[ids >= 0].long()
    position = torch.arange(len(words), device=device)
    offsets = torch.tensor([offset for offset in range(-window, window + 1) if offset], device=device)
    sizes = torch.randint(1, window + 1, (len(words), 1), generator=random, device=device)
    context_position = position[:, None] + offsets
    inside = context_position.clamp(0, max(0, len(words) - 1))
    present = (inside == context_position) & (offsets.abs() <= sizes) & (sentence[inside] == sentence[:, None])
    windows = Windows(centers=words, contexts=words[inside], present=present)
    return windows[present.any(1)]
