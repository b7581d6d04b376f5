"""Machine translation: segments texts, translates their sentences and restores everything around them."""

from __future__ import annotations

from service.tasks.translation.predictor import TranslationPredictor

__all__ = ["TranslationPredictor"]
