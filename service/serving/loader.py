"""From a bundle on disk to a served model: verify, open, warm up, replay the samples."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.bundle.files import BundleError, read_bundle
from service.errors import ConfigurationError
from service.limits import variable
from service.observability import Metrics
from service.runtime.cpus import available_cpus
from service.runtime.providers import resolve
from service.runtime.session import session_opener
from service.serving.served_model import ServedModel, runs_inline, warm_up
from service.settings import Settings, model_key
from service.tasks import load_predictor

log = logging.getLogger(__name__)


class ModelLoader:
    """Loads bundles into `ServedModel`s, as configured.

    Args:
        settings: the settings of the service.
        metrics: the metrics that models report to.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cpus = available_cpus()
        self._preprocess_pool = ThreadPoolExecutor(self._cpus, thread_name_prefix="preprocess")

    def check_settings(self, names: list[str]) -> None:
        """Refuse execution providers that onnxruntime does not know; warn of settings for models that are not there."""
        _resolve("providers", self._settings.providers)
        known = {model_key(name) for name in names}
        for key, own in self._settings.model.items():
            if own.providers is not None:
                _resolve(f"model__{key}__providers", own.providers)
            if key not in known:
                fields = {"variable": variable(f"model__{key}__…"), "models": names}
                log.warning("settings for a model that is not there", extra={"fields": fields})

    def load(self, path: Path) -> ServedModel:
        """Verify the bundle, open it, warm it up and replay its samples.

        Raises:
            BundleError: the bundle is bad, or answers its samples otherwise than it did.
            ConfigurationError: strict, and another execution provider runs than was asked for.
        """
        bundle = read_bundle(path)
        own = self._settings.for_model(bundle.manifest.name)
        assert own.providers is not None
        limits = self._settings.limits_for(bundle.manifest.name)
        threads = self._settings.threads or 1
        predictor = load_predictor(bundle, session_opener(own.providers, threads, self._settings.strict), limits)
        seconds = warm_up(predictor)
        inline = not predictor.scheduling.decodes_stepwise and runs_inline(own.inline, seconds)
        share = max(1, self._cpus // self._settings.workers)
        if not self._settings.threads and not inline and share > 1:
            # Waking threads would cost a tiny model more than its whole run; only slow ones are opened with several.
            predictor = load_predictor(bundle, session_opener(own.providers, share, self._settings.strict), limits)
            seconds = warm_up(predictor)
        if wrong := next(predictor.replay(), None):
            raise BundleError(f"{path}: the samples are answered differently: {wrong}")
        served = ServedModel(
            predictor,
            own,
            self._metrics,
            inline=inline,
            warm_up_seconds=seconds,
            preprocess_pool=self._preprocess_pool,
            max_in_flight=self._settings.max_queue_size,
            deadline_seconds=self._settings.deadline_seconds,
        )
        self._announce(served)
        return served

    def _announce(self, served: ServedModel) -> None:
        self._metrics.model_ready.labels(served.name, served.version).set(1)
        for report in served.predictor.reports.values():
            labels = (served.name, ",".join(report.requested), report.actual[0])
            self._metrics.execution_provider.labels(*labels).set(1)
        fields = {
            "model": served.name,
            "version": served.version,
            "task": served.manifest.task.value,
            "provider": served.provider,
            "inline": served.inline,
            "warm_up_ms": round(served.warm_up_seconds * 1e3, 3),
        }
        log.info("model ready", extra={"fields": fields})

    def close(self) -> None:
        """Release the threads that the models share."""
        self._preprocess_pool.shutdown(wait=False)


def _resolve(setting: str, providers: tuple[str, ...]) -> None:
    """Raise ConfigurationError, naming the variable, where onnxruntime knows no such execution provider."""
    try:
        resolve(providers)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable(setting)}={','.join(providers)}: {error}") from error
