"""How the learning rate goes over a run."""

import math


def warmed_cosine(done: float, *, warm_up: float, least: float, end: float) -> float:
    """The learning rate's share of the highest: a line up, then half a cosine down (Loshchilov and Hutter 2017).

    Args:
        done: of the run, 0 to 1.
        warm_up: share of the run in which it rises.
        least: while it rises it is at least this.
        end: what it falls to.
    """
    if done < warm_up:
        return max(done / warm_up, least)
    fallen = (done - warm_up) / (1 - warm_up)
    return end + (1 - end) * (1 + math.cos(math.pi * fallen)) / 2
