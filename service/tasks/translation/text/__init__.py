"""What stands around a translator's network: text to segments of ids, hypotheses to answers."""

from service.tasks.translation.preprocessing import TranslationPreprocessing
from service.tasks.translation.text.answers import Results
from service.tasks.translation.text.segmentation import CutText, cut
from service.tasks.translation.text.truecasing import NO_CAPITALS, Capitals

__all__ = ["NO_CAPITALS", "Capitals", "CutText", "Results", "TranslationPreprocessing", "cut"]
