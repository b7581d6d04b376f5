"""Word vectors: words, texts and vectors in; cosines, nearest words, points and embeddings out."""

from __future__ import annotations

from service.tasks.word_vectors.predictor import WordVectorsPredictor

__all__ = ["WordVectorsPredictor"]
