"""Random number generators that are seeded by purpose.

Every random draw of a run comes from a generator made from the run's seed and the names of its purpose (`"epoch", 7`).
A run that was killed and resumed therefore draws what an uninterrupted one would have drawn.
"""

import hashlib
import random

import numpy as np
import torch

from training.common.processes import is_main, process_rank


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive the 63-bit seed for a purpose, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Make a CPU generator for a purpose."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))


def seed_everything(seed: int, *names: str | int) -> None:
    """Seed Python, numpy and torch for a purpose, for libraries that take no generator."""
    value = derive_seed(seed, *names)
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)


def seed_process(seed: int, *names: str | int) -> None:
    """Seed for what each of several processes draws itself, such as dropout; the main one goes on as it was seeded."""
    if not is_main():
        seed_everything(seed, *names, "process", process_rank())


def process_generator(shared: torch.Generator, seed: int, *names: str | int) -> torch.Generator:
    """The generator of what each of several processes draws by itself; that of the main one is `shared`."""
    return shared if is_main() else generator(seed, *names, "process", process_rank())
