"""Word vectors: similarity, nearest neighbors, analogies, projection and embeddings of words and texts."""

from __future__ import annotations

from service.tasks.word_vectors.predictor import WordVectorsPredictor

__all__ = ["WordVectorsPredictor"]
