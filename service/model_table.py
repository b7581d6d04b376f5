"""The rows that `lectern models list` prints: one bundle a line, at most 100 characters wide."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.bundle.files import Bundle
from service.bundle.manifest import Metric

_WIDTH = 100
_LONGEST_LICENCE = 14
_PROPORTION = re.compile(r"accuracy|F1|precision|recall")
"""Measures that manifests have as a fraction and model cards print in percent."""


def table(bundles: Sequence[Bundle]) -> list[str]:
    """A line for each bundle: name, task, size, licence of the weights, and its figure on test data."""
    rows = [_cells(bundle) for bundle in bundles]
    widths = [max((len(cell) for cell in column), default=0) for column in zip(*rows, strict=True)]
    return [
        _cut(f"{name:{widths[0]}}  {task:{widths[1]}}  {size:>{widths[2]}}  {licence:{widths[3]}}  {figure}", _WIDTH)
        for name, task, size, licence, figure in rows
    ]


def headline(metrics: Sequence[Metric]) -> Metric | None:
    """The figure that says most: the measure that the manifest names first, on test data if there are some.

    Counts, such as errors of 10,000 images, depend on the size of the data and are passed over.
    """
    measures = [metric for metric in metrics if metric.unit in ("", "%")] or list(metrics)
    same = [metric for metric in measures if metric.name == measures[0].name]
    tested = [metric for metric in same if re.search(r"\btest\b", metric.data)]
    return next(iter(tested or same), None)


def figure_text(metric: Metric) -> str:
    """A figure as the model cards print it: `accuracy 99.60%`, `BLEU 43.25`, `Spearman's rho 0.745`."""
    if not metric.unit and _PROPORTION.match(metric.name):
        return f"{metric.name} {metric.value:.2%}"
    if metric.name.startswith(("BLEU", "chrF")):
        return f"{metric.name} {metric.value:.2f}"
    return f"{metric.name} {metric.value:.4g} {metric.unit}".rstrip()


def _cells(bundle: Bundle) -> tuple[str, str, str, str, str]:
    manifest = bundle.manifest
    size = sum((bundle.path / file).stat().st_size for file in manifest.files)
    metric = headline(manifest.metrics)
    return (
        f"{bundle.path.parent.name}/{bundle.path.name}",
        manifest.task.value,
        f"{size / 1e6:.2f} MB",
        _cut(manifest.provenance.licence, _LONGEST_LICENCE),
        f"{figure_text(metric)} ({metric.data.partition(';')[0]})" if metric else "",
    )


def _cut(text: str, width: int) -> str:
    return text.rstrip() if len(text) <= width else f"{text[: width - 1].rstrip()}…"
