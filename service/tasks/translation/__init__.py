"""Translation: texts in one language in; their translations, and what was attended to, out."""

from __future__ import annotations

from service.predictors.translation.predictor import TranslationPredictor

__all__ = ["TranslationPredictor"]
