"""From a prepared version to a served model: opens it in this process."""

from __future__ import annotations

import logging
import time

from service.bundle.files import Bundle, BundleError, open_unaltered
from service.observability import Metrics
from service.runtime.cpus import available_cpus
from service.runtime.provider_options import parse_options
from service.runtime.run_deadline import stop_at
from service.runtime.session import session_opener
from service.serving.served_model import ServedModel
from service.serving.states import ModelMemory, PreparedVersion
from service.settings import Settings
from service.tasks import load_predictor

log = logging.getLogger(__name__)


class ModelLoader:
    """Opens prepared versions as `ServedModel`s.

    Args:
        settings: the settings of the service.
        metrics: the metrics that models report to.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics

    def open(self, prepared: PreparedVersion) -> ServedModel:
        """Open a version that a helper process verified and tried, and run it once.

        Raises:
            BundleError: its files were altered or removed since.
            ConfigurationError: strict, and another execution provider runs than was asked for.
        """
        try:
            with open_unaltered(prepared.folder, prepared.files) as bundle:
                return self._open(prepared, bundle)
        except (BundleError, OSError) as error:  # Clients read it: it names the bundle instead of the copy.
            path = self._settings.models / prepared.name / str(prepared.version)
            raise BundleError(str(error).replace(str(prepared.folder), str(path))) from error

    def _open(self, prepared: PreparedVersion, bundle: Bundle) -> ServedModel:
        own = self._settings.for_model(prepared.name)
        assert own.providers is not None
        assert own.provider_options is not None
        opener = session_opener(
            prepared.providers or own.providers,
            prepared.threads,
            self._settings.strict,
            options=parse_options(own.provider_options),
            optimized=prepared.optimized,
            max_batch_size=self._settings.limits_for(prepared.name).max_batch_size,
        )
        # It was tried in another process, but a graph may draw random numbers, and hang another time.
        with stop_at(time.perf_counter() + self._settings.load_seconds):
            predictor = load_predictor(bundle, opener, self._settings.limits_for(prepared.name))
            predictor.infer(predictor.scheduling.warm_up())
        served = ServedModel(
            predictor,
            own,
            self._metrics,
            inline=prepared.inline,
            warm_up_seconds=prepared.warm_up_seconds,
            provider_choice=prepared.provider_choice,
            memory=ModelMemory(prepared.memory_bytes, prepared.device_memory_bytes),
            cpus=available_cpus(),
            max_in_flight=self._settings.max_queue_size,
            max_wait=self._settings.max_queue_seconds,
            deadline_seconds=self._settings.deadline_seconds,
        )
        self._announce(served, prepared)
        return served

    def _announce(self, served: ServedModel, prepared: PreparedVersion) -> None:
        reports = served.predictor.reports
        for graph, report in reports.items():
            labels = (served.name, ",".join(report.requested), report.actual[0])
            self._metrics.execution_provider.labels(*labels).set(1)
            for provider, count in (report.node_counts or {}).items():
                self._metrics.graph_nodes.labels(served.name, served.version, graph, provider).set(count)
        for kind, size in served.memory._asdict().items():
            if size is not None:
                self._metrics.model_memory.labels(served.name, served.version, kind).set(size)
        fields = {
            "model": served.name,
            "version": served.version,
            "task": served.manifest.task.value,
            "provider": served.provider,
            "nodes": {graph: report.node_counts for graph, report in reports.items()},
            "device": ", ".join(dict.fromkeys(filter(None, (report.device for report in reports.values())))),
            "memory_bytes": served.memory.process,
            "device_memory_bytes": served.memory.device,
            "inline": served.inline,
            "warm_up_ms": round(served.warm_up_seconds * 1e3, 3),
        }
        if served.provider_choice is not None:
            fields["provider_choice"] = served.provider_choice.describe()
        log.info("model ready", extra={"fields": fields})
