"""The part of a model card, and of the manifest's metrics, that is about familiarity."""

from service.bundle.manifest import Metric
from training.lenet.data.dataset import ImageData
from training.lenet.familiarity.calibration import Bin, expected_calibration_error
from training.lenet.familiarity.evaluation import FamiliarityReport
from training.lenet.familiarity.fit import Familiarity

_BEFORE = "\n## How it was trained\n"

_SECTION = """
## Is it one of the labels at all?

`familiarity` is the probability that a picture is one of the labels, if labels and outliers are equally frequent;
`recognized` says whether it is 0.5 or more. A head of one hidden layer on S4, C5 and F6 was trained with outlier
exposure (Hendrycks et al. 2019) and calibrated; the figures are of images that neither it nor the network was trained
on; "unseen" marks kinds of outliers of which none was.{fonts}

| kind | images | decided right |
|---|---|---|
{kinds}

Reliability of familiarity (every kind counts the same; expected calibration error {error:.2%}):

{diagram}

Reliability of the best label's score after temperature scaling (T = {temperature:.3f}; expected calibration error
{score_error:.2%}, before {score_error_before:.2%}):

{score_diagram}

Not for deciding alone what is costly: drawings and handwriting of other kinds than these are told apart less well, and
characters that look like a label (O and 0, l and 1) count as that label.
"""


def with_familiarity(card: str, report: FamiliarityReport, fitted: Familiarity) -> str:
    """A model card with the section about familiarity."""
    kinds = "\n".join(
        f"| {kind.name}{': recognized' if kind.is_member else ': not recognized'} | {kind.images:,} "
        f"| {kind.decided_right:.1%} |"
        for kind in report.kinds
    )
    fonts = "".join(
        f"\nFonts for {part}: {', '.join(groups)}." for part, groups in sorted(fitted.fonts.items(), reverse=True)
    )
    section = _SECTION.format(
        fonts=fonts,
        kinds=kinds,
        error=expected_calibration_error(list(report.diagram)),
        diagram=_table(report.diagram),
        temperature=fitted.temperature,
        score_error=report.score_error,
        score_error_before=report.score_error_before,
        score_diagram=_table(report.score_diagram),
    )
    before, after = card.split(_BEFORE)
    return f"{before}{section}{_BEFORE}{after}"


def familiarity_metrics(report: FamiliarityReport, data: ImageData) -> tuple[Metric, ...]:
    """The figures of familiarity, and the calibration error of the scores, for the manifest."""
    held_out = next(kind for kind in report.kinds if kind.is_member)
    outliers = [kind for kind in report.kinds if not kind.is_member]
    source = f"{data.name}, {held_out.images:,} held-out training images"
    return (
        Metric(name="recognized", value=round(held_out.decided_right, 4), data=source),
        Metric(
            name="outliers not recognized",
            value=round(report.flagged, 4),
            data=f"{sum(kind.images for kind in outliers):,} outliers of {len(outliers)} kinds",
        ),
        Metric(name="expected calibration error", value=round(report.score_error, 4), data=source),
    )


def _table(diagram: tuple[Bin, ...]) -> str:
    rows = [
        f"| {one.low:.1f} to {one.high:.1f} | {one.count:,} | {one.confidence:.3f} | {one.accuracy:.3f} |"
        for one in diagram
        if one.count
    ]
    return "\n".join(["| probability | images | mean probability | came true |", "|---|---|---|---|", *rows])
