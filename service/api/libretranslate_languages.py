"""The languages of LibreTranslate's routes: which translator a pair has, and what is said of those without one."""

from __future__ import annotations

from service.api.language_names import language_name
from service.api.source_language import language_pairs, served_languages
from service.bundle.manifest import Task
from service.errors import InvalidRequest
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel


def find_translator(registry: ModelRegistry, source: str, target: str, model: str | None) -> ServedModel:
    """The model of a language pair; of several the first by name, since LibreTranslate's clients name none.

    Raises:
        InvalidRequest: no model translates it.
        NotReady, UnknownModel: it does not serve.
    """
    if model:
        return registry.find(Task.TRANSLATION, model, source=source, target=target)
    served = language_pairs(registry).get((source, target))
    if served is not None:
        return served
    check_target(registry, target)
    try:
        return registry.find(Task.TRANSLATION, source=source, target=target)
    except InvalidRequest:  # In LibreTranslate's words, which its clients may show.
        if source not in served_languages(registry):
            raise InvalidRequest(f"{source} is not supported") from None
        names = [f"{language_name(code)} ({code})" for code in (target, source)]
        raise InvalidRequest(f"{names[0]} is not available as a target language from {names[1]}") from None


def check_target(registry: ModelRegistry, target: str) -> None:
    """Raise an error where no translator serves, or none has to do with this language."""
    if target in served_languages(registry):
        return
    try:
        registry.find(Task.TRANSLATION, target=target)
    except InvalidRequest:
        raise InvalidRequest(f"{target} is not supported") from None
