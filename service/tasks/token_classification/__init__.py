"""Token classification: texts or tokens in; every token's tag, and the spans of names, out."""

from __future__ import annotations

from service.tasks.token_classification.predictor import TokenClassificationPredictor

__all__ = ["TokenClassificationPredictor"]
