"""What stands around a translator's network: text to segments of ids, hypotheses to answers."""

from service.artifacts.translation.capitals import NO_CAPITALS, Capitals
from service.artifacts.translation.cutting import CutText, cut
from service.artifacts.translation.preprocessing import TranslationPreprocessing
from service.artifacts.translation.results import Results

__all__ = ["NO_CAPITALS", "Capitals", "CutText", "Results", "TranslationPreprocessing", "cut"]
