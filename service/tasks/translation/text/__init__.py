"""The text around a translator's network: texts to segments of token ids, hypotheses to answers."""

from service.tasks.translation.preprocessing import TranslationPreprocessing
from service.tasks.translation.text.answers import AnswerBuilder
from service.tasks.translation.text.invention import InventionGuard
from service.tasks.translation.text.rare_words import LONG_NUMBERS, RareWords
from service.tasks.translation.text.segmentation import segment
from service.tasks.translation.text.segmented_text import SegmentedText
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser

__all__ = [
    "LONG_NUMBERS",
    "NO_TRUECASING",
    "AnswerBuilder",
    "InventionGuard",
    "RareWords",
    "SegmentedText",
    "TranslationPreprocessing",
    "Truecaser",
    "segment",
]
