"""Learning rate schedules."""

import math


def warmup_cosine(progress: float, *, warmup: float, floor: float, end: float) -> float:
    """Linear warm-up, then a cosine decay (Loshchilov and Hutter 2017).

    Args:
        progress: the part of the run that is done, 0 to 1.
        warmup: the part of the run in which the rate rises.
        floor: lowest factor during the warm-up.
        end: factor at the end of the run.

    Returns:
        The factor to multiply the highest learning rate by.
    """
    if progress < warmup:
        return max(progress / warmup, floor)
    decay = (progress - warmup) / (1 - warmup)
    return end + (1 - end) * (1 + math.cos(math.pi * decay)) / 2
