"""Asks every version that serves one of its stored samples at intervals: the setting LECTERN_CANARY_SECONDS."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakKeyDictionary

import orjson

from service.bundle.comparison import differences
from service.bundle.files import BundleError, Sample, first_line
from service.errors import DeadlineExceeded, Unavailable
from service.observability import Metrics, Timings
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.tasks.base import sample_results

log = logging.getLogger(__name__)


class Canary:
    """Sends samples through the queue that requests take, and marks a version that fails as not ready.

    Args:
        registry: the models.
        metrics: gets the outcome by version.
        seconds: the time between two rounds, and the longest time that an answer may take.
    """

    def __init__(self, registry: ModelRegistry, metrics: Metrics, seconds: float) -> None:
        self._registry = registry
        self._metrics = metrics
        self._seconds = seconds
        self._samples: WeakKeyDictionary[ServedModel, Sample] = WeakKeyDictionary()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.ask_all()

    async def ask_all(self) -> None:
        """Ask every version once."""
        await asyncio.gather(*(self._ask(served) for served in self._registry.all_serving()))

    async def _ask(self, served: ServedModel) -> None:
        try:
            reason = await self._try(served)
        except Unavailable:
            return  # Too many requests, or unloaded meanwhile: that says nothing about the model.
        before = self._registry.failing(served.name, served.version)
        self._registry.set_failing(served, reason)
        self._metrics.canary_ok.labels(served.name, served.version).set(0 if reason else 1)
        fields = {"model": served.name, "version": served.version, "reason": reason}
        if reason and not before:
            log.error("canary failed", extra={"fields": fields})
        elif before and not reason:
            log.info("canary recovered", extra={"fields": fields})

    async def _try(self, served: ServedModel) -> str:
        """Why a version does not answer its first sample as stored; empty if it does."""
        predictor = served.predictor
        try:
            sample = self._sample(served)
            body = predictor.routes[sample.route or next(iter(predictor.routes))].model_validate(sample.request)
            request = predictor.parse(body)
            fields = await served.predict(request, Timings(), self._seconds)
            answer = orjson.loads(orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY))
            wrong = next(differences(sample.results, sample_results(answer), served.manifest.comparison), "")
        except Unavailable:
            raise
        except DeadlineExceeded:
            return f"its canary sample was not answered within {self._seconds:g} s"
        except BundleError as error:
            return f"its canary sample cannot be read ({first_line(error)})"
        except Exception as error:
            return f"its canary sample failed with {type(error).__name__}"
        return f"its canary sample is answered differently: {wrong}" if wrong else ""

    def _sample(self, served: ServedModel) -> Sample:
        """The first sample of a version, read once: what happens to its files later says nothing about its answers."""
        if (sample := self._samples.get(served)) is None:
            sample = self._samples[served] = served.predictor.bundle.samples()[0]
        return sample
