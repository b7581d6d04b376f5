"""Image classification: pictures or ready pixels in, labels with probabilities out."""

from __future__ import annotations

from service.tasks.image_classification.predictor import ImageClassificationPredictor

__all__ = ["ImageClassificationPredictor"]
