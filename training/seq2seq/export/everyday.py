"""The everyday test of an exported translator, for its manifest and its model card."""

from service.bundle.manifest import Metric
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.everyday import run_predictor

HALF = "test"
"""The half of the sentences that is reported; rules and settings are developed on the other."""


def everyday_metrics(predictor: TranslationPredictor) -> tuple[Metric, ...]:
    """The shares of everyday sentences that pass the checks; none for languages without such sentences.

    Args:
        predictor: translates as the bundle will.
    """
    report = run_predictor(predictor, HALF)
    if report is None:
        return ()
    passed = sum(not line.failures for line in report.lines)
    kept, about = report.kept
    return (
        _share("everyday sentences", passed, len(report.lines), "that pass all checks"),
        _share("names, numbers and dates", kept, about, "about them that have all of them in the translation"),
    )


def _share(name: str, count: int, total: int, which: str) -> Metric:
    data = f"everyday sentences, {HALF}, {count} of {total} {which}"
    return Metric(name=name, value=round(100 * count / total, 2), unit="%", data=data)
