"""One predictor per task: preprocess, infer, postprocess. Knows no transport."""

from __future__ import annotations

from typing import Any

from service.bundle.files import Bundle, BundleError
from service.bundle.manifest import Task
from service.limits import Limits
from service.runtime.session import OpenSession
from service.tasks.base import Predictor
from service.tasks.image_classification import ImageClassificationPredictor
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.translation import TranslationPredictor
from service.tasks.word_vectors import WordVectorsPredictor

TASKS: dict[Task, type[Predictor[Any]]] = {
    Task.IMAGE_CLASSIFICATION: ImageClassificationPredictor,
    Task.TOKEN_CLASSIFICATION: TokenClassificationPredictor,
    Task.WORD_VECTORS: WordVectorsPredictor,
    Task.TRANSLATION: TranslationPredictor,
}
"""The predictor of every task that is served."""


def load_predictor(bundle: Bundle, open_session: OpenSession, limits: Limits) -> Predictor[Any]:
    """Make the predictor of the bundle's task.

    Raises:
        BundleError: no predictor for the task, or the bundle does not fit it.
    """
    task = bundle.manifest.task
    if task not in TASKS:
        raise BundleError(f"{bundle.path}: this release does not serve the task {task.value!r}")
    return TASKS[task](bundle, open_session, limits)


__all__ = ["TASKS", "OpenSession", "Predictor", "load_predictor"]
