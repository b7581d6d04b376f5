"""Random streams that depend on names, never on history.

Every draw of a run comes from a generator made from the run's seed and the names of its purpose (`"epoch", 7`), so a
run that was killed and resumed draws what an uninterrupted one would have drawn.
"""

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream that `names` describe, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator for the stream `names` of the run with this seed."""
    return torch.Generator().manual_seed(derive(seed, *names))


def seed_everything(seed: int, *names: str | int) -> None:
    """Seed Python, numpy and torch (what libraries draw from when no generator can be handed in)."""
    value = derive(seed, *names)
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
