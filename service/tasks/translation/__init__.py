"""Translation: texts in one language in; their translations, and what was attended to, out."""

from __future__ import annotations

from service.tasks.translation.predictor import TranslationPredictor

__all__ = ["TranslationPredictor"]
