"""Predictors without a server."""

from __future__ import annotations

from typing import Any, TypeVar

from service.bundle.files import Bundle
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import Predictor, load_predictor

P = TypeVar("P", bound=Predictor[Any])


def open_predictor(kind: type[P], bundle: Bundle, **limits: int) -> P:
    """The predictor of a bundle on one CPU thread.

    Args:
        kind: the class that it must have.
        bundle: the bundle.
        limits: limits that differ from the default.
    """
    predictor = load_predictor(bundle, session_opener(("cpu",), 1, False), Limits(**limits))
    assert isinstance(predictor, kind)
    return predictor
