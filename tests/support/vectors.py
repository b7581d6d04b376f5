"""Small generated word vectors with clusters, a common direction and dominant axes, like real ones."""

import numpy as np

from training.common.vectors import WordVectors

NAMES = ["king", "queen", "man", "woman", "paris", "france", "italy", "rome", "water", "river", "music", "song"]


def generate_vectors(words: int = 300, dimensions: int = 16, *, seed: int = 0, counts: bool = True) -> WordVectors:
    """Twelve well-known words, then `aaa`, `aab`, ...; about ten words each form a cluster."""
    random = np.random.default_rng(seed)
    groups = random.normal(size=(max(1, words // 10), dimensions))
    common = random.normal(size=dimensions)
    spread = np.linspace(1.5, 0.3, dimensions)
    matrix = groups[np.arange(words) % len(groups)] + 0.6 * random.normal(size=(words, dimensions)) + common
    letters = [chr(97 + index) for index in range(26)]
    generated = [f"{a}{b}{c}" for a in letters for b in letters for c in letters]
    return WordVectors(
        words=(NAMES + generated)[:words],
        matrix=(matrix * spread * random.uniform(0.5, 3, size=(words, 1))).astype(np.float32),
        counts=(10_000 // np.arange(1, words + 1)) if counts else None,
    )
