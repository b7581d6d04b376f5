"""Beam search in numpy over the graphs of a sequence-to-sequence model, which are passed in as plain functions."""

from service.decoding.base import Hypothesis
from service.decoding.beam_search import BeamSearch
from service.decoding.decoder_loop import Finished, StepLoop, search
from service.decoding.search_record import RecordedHypothesis, SearchRecord
from service.decoding.search_settings import SearchSettings

__all__ = [
    "BeamSearch",
    "Finished",
    "Hypothesis",
    "RecordedHypothesis",
    "SearchRecord",
    "SearchSettings",
    "StepLoop",
    "search",
]
