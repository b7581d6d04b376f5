"""Translates a document piece by piece, each admitted like a request, within the time that a file may take."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

from starlette.requests import Request

from service.api.libretranslate_languages import find_translator
from service.api.operation import context, timings
from service.api.source_language import predictor_of
from service.documents import Batch, Document
from service.errors import DeadlineExceeded, InvalidRequest, LimitExceeded, Saturated
from service.limits import Limits, variable
from service.observability import Timings
from service.serving.served_model import ServedModel
from service.tasks.translation.schemas import TranslateBody

_PIECE_CHARACTERS = 2_000
"""Of a piece of several segments: few enough that others need not wait long for their turn."""
_PIECE_TEXTS = 64
_PACE_SHARE, _PACE_MARGIN = 0.1, 1.5
"""After this share of its time a file is given up that would take this many times what it may."""


class TranslatedTexts(NamedTuple):
    """The translations of the segments of a document, [N], and the model of the last one; None without segments."""

    texts: list[str]
    served: ServedModel | None


async def translate_segments(
    request: Request, document: Document, source: str, target: str, model: str | None
) -> TranslatedTexts:
    """Translate the segments of a document; those that are said to be in another language stay as they are.

    A piece that is refused since the model has too much to do is sent again, but for the first one.

    Args:
        request: the HTTP request.
        document: the document.
        source: its language.
        target: the language to translate to.
        model: the name of a translator; None: the first by name.

    Raises:
        LecternError: what `ServedModel.predict` raises.
        LimitExceeded: the file takes too long, as is known after its first pieces.
        DeadlineExceeded: the file was not done in time.
    """
    service = context(request)
    pace = _Pace(document.characters, service.settings.file_deadline_seconds, timings(request).started)
    translations = [segment.text for segment in document.segments]
    served: ServedModel | None = None
    characters = max(_PIECE_CHARACTERS, segment_characters(service.settings))
    batches = document.batches(min(_PIECE_TEXTS, service.settings.max_texts), characters, source)
    for number, batch in enumerate(batches):
        while True:
            served = find_translator(service.registry, source, target, model)
            try:
                results = await _translate(request, served, batch, pace.seconds_left())
                break
            except Saturated as busy:
                if number == 0 or busy.retry_after > pace.seconds_left():
                    raise
                await asyncio.sleep(busy.retry_after)
        for index, result in zip(batch.indices, results, strict=True):
            translations[index] = result["text"]
            if any(part["reason"] != "no_letters" for part in result.get("kept", ())):
                document.kept.add(index)
        pace.check(sum(len(document.segments[index].plain) for index in batch.indices))
    return TranslatedTexts(translations, served)


def segment_characters(limits: Limits) -> int:
    """The largest segment, markup included, that a translator takes as a text."""
    return min(limits.max_characters, limits.max_total_characters)


async def _translate(request: Request, served: ServedModel, batch: Batch, seconds: float) -> list[dict[str, Any]]:
    """Translate the segments of a batch within its own deadline; its stages count to those of the request.

    Returns:
        The result of each, see `AnswerBuilder.build`.
    """
    task_request = predictor_of(served).parse(TranslateBody(texts=batch.texts))
    piece = Timings()
    try:
        fields = await served.predict(task_request.mark_html() if batch.is_html else task_request, piece, seconds)
    except InvalidRequest as error:
        text = str(error).removeprefix(f"{error.field}: ")
        raise type(error)(f"a part of it {text}", "file") from error
    finally:
        for stage, spent in piece.stages.items():
            timings(request).add(stage, spent)
    results: list[dict[str, Any]] = fields["results"]
    return results


class _Pace:
    """How far a file has come.

    Args:
        characters: of the whole file.
        seconds: that it may take.
        started: the `time.perf_counter()` when its request arrived.
    """

    def __init__(self, characters: int, seconds: float, started: float) -> None:
        self._characters = characters
        self._seconds = seconds
        self._deadline = started + seconds
        self._begun = time.perf_counter()
        self._done = 0

    def seconds_left(self) -> float:
        """Seconds until the deadline of the file.

        Raises:
            DeadlineExceeded: it has passed.
        """
        left = self._deadline - time.perf_counter()
        if left <= 0:
            limit = f"{self._seconds:g} s ({variable('file_deadline_seconds')})"
            raise DeadlineExceeded(f"the file was not translated within {limit}; send it in parts")
        return left

    def check(self, characters: int) -> None:
        """Count characters as done.

        Raises:
            LimitExceeded: at this speed the file would take far longer than it may.
        """
        self._done += characters
        elapsed = time.perf_counter() - self._begun
        if elapsed < _PACE_SHARE * self._seconds or not self._done:
            return
        left = (self._characters - self._done) * elapsed / self._done
        if left > _PACE_MARGIN * self.seconds_left():
            most = int(self._done / elapsed * self._seconds / _PACE_MARGIN)
            raise LimitExceeded(
                f"takes about {elapsed + left:.2g} s, more than the {self._seconds:g} s that a file may "
                f"({variable('file_deadline_seconds')}); send at most about {most} characters in one file",
                "file",
            )
