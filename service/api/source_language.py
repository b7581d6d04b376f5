"""The language that texts to translate are in: the served translators, and what `source: auto` identifies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from service.api.operation import Context
from service.bundle.manifest import Task
from service.errors import LimitExceeded
from service.limits import Limits
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.tasks.translation import TranslationPredictor, language_identification
from service.tasks.translation.language_detection import Detected, Profile
from service.tasks.translation.language_identification import identify

AUTO = "auto"
_SLICE_SECONDS = 0.002
"""Time after which the event loop gets its turn."""


def predictor_of(served: ServedModel) -> TranslationPredictor:
    """The predictor of a translator."""
    predictor = served.predictor
    assert isinstance(predictor, TranslationPredictor)
    return predictor


def language_pairs(registry: ModelRegistry) -> dict[tuple[str, str], ServedModel]:
    """The served translator of each pair of source and target; of several the first by name."""
    pairs: dict[tuple[str, str], ServedModel] = {}
    for served in registry.serving(Task.TRANSLATION):
        selectors = served.predictor.selectors
        pairs.setdefault((selectors["source"], selectors["target"]), served)
    return pairs


def source_languages(registry: ModelRegistry) -> set[str]:
    """The languages that the served translators read."""
    return {source for source, _ in language_pairs(registry)}


def served_languages(registry: ModelRegistry) -> set[str]:
    """Codes of all languages that the served translators read or write."""
    return {language for pair in language_pairs(registry) for language in pair}


async def identify_languages(registry: ModelRegistry, text: str) -> list[Detected]:
    """The languages that a text may be in, most likely first; at least one if a translator serves."""
    await _load_classifier()
    return identify(text, _profiles(registry))


async def identify_sources(service: Context, texts: Sequence[str], target: str | None) -> list[Detected]:
    """The most likely language of each text; of one without letters a language that can be translated to `target`.

    Raises:
        NotReady, UnknownModel: no translator serves.
    """
    pairs = language_pairs(service.registry)
    if not pairs:
        service.registry.find(Task.TRANSLATION)
    sources = {source for source, other in pairs if target in (None, other)}
    profiles = _profiles(service.registry)
    await _load_classifier()
    result: list[Detected] = []
    started = time.perf_counter()
    for text in texts:
        detected = identify(text, profiles)
        # Without letters all have the confidence 0.
        likely = detected if detected[0].confidence else [one for one in detected if one.language in sources]
        result.append((likely or detected)[0])
        if time.perf_counter() > started + _SLICE_SECONDS:
            await service.turns.next()
            started = time.perf_counter()
    return result


async def _load_classifier() -> None:
    """Load what identifies languages, at the first text: most servers are never asked."""
    if not language_identification.is_loaded():
        await asyncio.to_thread(language_identification.load)


def _profiles(registry: ModelRegistry) -> list[Profile]:
    return [predictor_of(served).profile for served in language_pairs(registry).values()]


def check_sizes(texts: Sequence[str], limits: Limits, field: str) -> None:
    """Check texts against the limits of a request, before their languages are identified.

    Raises:
        LimitExceeded: there are more texts, or more characters.
    """
    if len(texts) > limits.max_texts:
        raise LimitExceeded(f"{len(texts)} texts, {limits.describe('max_texts')}; send several requests", field)
    total = sum(map(len, texts))
    if total > limits.max_total_characters:
        limit = limits.describe("max_total_characters")
        raise LimitExceeded(f"{total} characters, {limit}; send several requests", field)
