"""GET /v2/models/stats: Triton's statistics extension.

The numbers come from the metrics, so they are summed over the worker processes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from service.access.scopes import KeyScope
from service.api.errors import ErrorShape
from service.api.io import model_response
from service.api.open_inference.metadata import served_model
from service.api.open_inference.schemas import (
    DurationStatistic,
    InferenceStatistics,
    ModelStatistics,
    Statistics,
)
from service.api.operation import Operation, context
from service.observability import Metrics
from service.serving.served_model import ServedModel

_TAG = "open inference protocol"

_Totals = dict[tuple[str, str], float]
"""Values of one version, by metric and by stage or outcome."""


async def all_statistics(request: Request) -> Response:
    """Report statistics of every version that serves."""
    service = context(request)
    return model_response(collect_statistics(service.registry.all_serving(), service.metrics))


async def model_statistics(request: Request) -> Response:
    """Report statistics of one model."""
    return model_response(collect_statistics([served_model(request)], context(request).metrics))


def collect_statistics(models: Iterable[ServedModel], metrics: Metrics) -> Statistics:
    """The statistics of some models, from the metrics."""
    totals: defaultdict[tuple[str, str], _Totals] = defaultdict(lambda: defaultdict(float))
    for name, labels, value in metrics.samples():
        if "model" in labels and "version" in labels:
            category = labels.get("stage") or labels.get("outcome") or ""
            if not name.endswith("_bucket"):
                totals[labels["model"], labels["version"]][name, category] += value
    stats = [_statistics(served.name, served.version, totals[served.name, served.version]) for served in models]
    return Statistics(model_stats=stats)


def _statistics(name: str, version: str, totals: _Totals) -> ModelStatistics:
    failed = sum(
        value
        for (metric, outcome), value in totals.items()
        if metric == "lectern_requests_total" and outcome != "success"
    )
    return ModelStatistics(
        name=name,
        version=version,
        last_inference=round(totals["lectern_last_inference_timestamp_seconds", ""] * 1e3),
        inference_count=round(totals["lectern_inferences_total", ""]),
        execution_count=round(totals["lectern_executions_total", ""]),
        inference_stats=InferenceStatistics(
            success=_stage(totals, "total"),
            fail=_duration(failed, totals["lectern_failure_seconds_total", ""]),
            queue=_stage(totals, "queue"),
            compute_input=_stage(totals, "preprocess"),
            compute_infer=_stage(totals, "infer"),
            compute_output=_stage(totals, "postprocess"),
            cache_hit=_duration(0, 0),
            cache_miss=_duration(0, 0),
        ),
        batch_stats=[],
    )


def _stage(totals: _Totals, stage: str) -> DurationStatistic:
    return _duration(totals["lectern_stage_seconds_count", stage], totals["lectern_stage_seconds_sum", stage])


def _duration(count: float, seconds: float) -> DurationStatistic:
    return DurationStatistic(count=round(count), ns=round(seconds * 1e9))


ALL = Operation(
    method="GET",
    path="/v2/models/stats",
    endpoint=all_statistics,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Report statistics of all models",
    response=Statistics,
    key_scope=KeyScope.METRICS,
)

MODEL = Operation(
    method="GET",
    path="/v2/models/{model}/stats",
    endpoint=model_statistics,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Report statistics of a model",
    response=Statistics,
    key_scope=KeyScope.METRICS,
    statuses=(404, 503),
)
