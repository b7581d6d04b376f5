"""Token classification: texts or tokens in, the tag of every token and the spans of named entities out."""

from __future__ import annotations

from service.tasks.token_classification.predictor import TokenClassificationPredictor

__all__ = ["TokenClassificationPredictor"]
