"""Values of the Prometheus text format."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families


def metric_value(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels; fails if there is none.

    Args:
        text: the answer of /metrics.
        name: name of the samples, such as `lectern_requests_total`.
        labels: labels that a sample must have; it may have others.
    """
    values = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert values, f"no {name} with {labels} in:\n{text}"
    return math.fsum(values)
