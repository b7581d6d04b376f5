"""Beam search in numpy over the graphs of a sequence-to-sequence model, which are passed in as plain functions."""

from service.decoding.beam_search import BeamSearch, Hypothesis, SearchSettings
from service.decoding.decoder_loop import Finished, StepLoop, search

__all__ = [
    "BeamSearch",
    "Finished",
    "Hypothesis",
    "SearchSettings",
    "StepLoop",
    "search",
]
