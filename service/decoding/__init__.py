"""From what the graphs say to answers, in numpy: tags (`crf`), translations (`beam`, `loop`)."""

from service.artifacts.decoding.beam import BeamSearch, Hypothesis, SearchSettings
from service.artifacts.decoding.crf import FORBIDDEN, Decoded, decode, marginals, span_scores, viterbi
from service.artifacts.decoding.loop import Finished, StepLoop, search

__all__ = [
    "FORBIDDEN",
    "BeamSearch",
    "Decoded",
    "Finished",
    "Hypothesis",
    "SearchSettings",
    "StepLoop",
    "decode",
    "marginals",
    "search",
    "span_scores",
    "viterbi",
]
