"""The everyday test: 320 sentences as people write them, in English and German, and checks that need no reference."""

from service.tasks.translation.everyday.checks import KEPT_KINDS, failures
from service.tasks.translation.everyday.report import Report, run, run_predictor
from service.tasks.translation.everyday.sentences import LANGUAGES, Sentence, read_sentences

__all__ = ["KEPT_KINDS", "LANGUAGES", "Report", "Sentence", "failures", "read_sentences", "run", "run_predictor"]
