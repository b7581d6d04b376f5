"""Choosing a model by its selectors, such as source and target language, and the errors where that is not possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.errors import InvalidRequest
from service.serving.served_model import ServedModel


def only_match(candidates: Sequence[ServedModel], requested: Mapping[str, str]) -> ServedModel:
    """The only model that has the requested selectors.

    Args:
        candidates: the models of the task, at least one.
        requested: values by selector.

    Raises:
        InvalidRequest: no model fits, or several do.
    """
    matches = [served for served in candidates if requested.items() <= served.predictor.selectors.items()]
    if len(matches) == 1:
        return matches[0]
    raise _ambiguous(matches, requested) if matches else _no_match(candidates, requested)


def _ambiguous(matches: Sequence[ServedModel], requested: Mapping[str, str]) -> InvalidRequest:
    """Several models fit: the error names the selector, or else the model, that would decide."""
    missing = next((field for field in matches[0].predictor.selectors if field not in requested), None)
    if missing is not None and len({_selection(served) for served in matches}) > 1:
        return InvalidRequest(f"is needed: several models fit ({_selections(matches)})", missing)
    names = ", ".join(served.name for served in matches)
    return InvalidRequest(f"several models serve this task, name one of: {names}", "model")


def _no_match(candidates: Sequence[ServedModel], requested: Mapping[str, str]) -> InvalidRequest:
    """No model fits: the error names the first selector that no model has, or else the last one."""
    for selector, value in requested.items():
        if all(served.predictor.selectors.get(selector) != value for served in candidates):
            return InvalidRequest(
                f"no served model has {selector} {value!r}; available: {_selections(candidates)}", selector
            )
    wish = " and ".join(f"{field} {value!r}" for field, value in requested.items())
    return InvalidRequest(f"no served model has {wish}; available: {_selections(candidates)}", list(requested)[-1])


def _selection(served: ServedModel) -> str:
    """The values of a model's selectors, as `en-de`."""
    return "-".join(served.predictor.selectors.values())


def _selections(models: Sequence[ServedModel]) -> str:
    return ", ".join(sorted({_selection(served) for served in models}))
