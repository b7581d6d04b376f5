"""Every threshold of the MNIST normalization, with its unit and what it was tuned on."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class MnistThresholds:
    """Constants of `normalize_mnist`, grouped by step; its docstring lists the steps in order.

    Each docstring ends with what the value was tuned on. All tuning was by hand, on pictures that
    `tests/support/photographs` makes of MNIST's held-out digits, with other seeds than the tests use
    (training/RESULTS.md). The tag names the pictures that the change which set the value was made for:

    * "light": the first set, with uneven light and ruled paper;
    * "shadows": hard shadows, sheets on a desk, tight crops;
    * "lines": printed lines that hide or touch the digit;
    * "thick pens": thick pens, and sheets on uniform tables;
    * "cut digits": tests/benchmarks/digits_cut.py, whose pictures are cut to their ink or drawn with thin pens.

    Other tags: "MNIST" follows from how MNIST was made, and is tested on 2,000 held-out images; "speed" was chosen for
    running time; "not tuned" means that no tuning is on record.

    Gray levels are 0 (black) to 255 (white). Contrast is 0 (paper) to 1 (black on white, or white on black).
    """

    # Reduction
    working_side: int = 400
    """Longer side, in pixels, of the picture in which ink is searched. Tuned on: light."""
    reduction_samples: int = 4
    """Input pixels averaged per output pixel and axis when a picture is reduced. Speed."""
    detail_side: int = 100
    """A digit smaller than this, in pixels of the reduced picture, is extracted again from a crop. Tuned on: light."""
    detail_margin: float = 0.5
    """Margin around that crop, as a share of the digit's longer side. Tuned on: light."""

    # Margin of pictures that were cut to their ink
    cut_evidence: Mapping[str, float] = field(
        default_factory=lambda: {
            "corners": -4.3,
            "patches": -2.06,
            "radius": -37.5,
            "center": 6.4,
            "share": 5.2,
            "middle": 4.0,
        }
    )
    """Weights of what speaks for ink, a logistic regression on 2,500 of MNIST's training images, cut, enlarged, in two
    tones, drawn with pens, and on bold print. Tuned on: cut digits."""
    cut_speck: float = 0.02
    """Share of the picture below which a connected part is a speck. Not tuned."""
    cut_slack: float = 0.1
    """Distance of ink from a side that still counts as touching, as a share of the picture's. Tuned on: cut digits."""
    cut_sides: int = 3
    """Sides that the ink of a cut picture touches at least; printed lines touch two. Not tuned."""
    cut_radius: float = 0.25
    """Radius, as a share of the longer side, above which the ink is too wide for bold print. Tuned on: cut digits."""
    cut_patches: int = 7
    """Most parts into which a digit cuts its paper; squared paper has more. Not tuned."""
    cut_narrow: float = 2.0
    """Ratio of the sides from which a picture may be a 1 with hardly any paper. Not tuned."""
    cut_paper_quantile: float = 0.25
    """Quantile of the paper's tone that is its level, counted from the end away from the ink. Not tuned."""
    cut_evenness: tuple[float, float] = (0.3, 0.6)
    """Minimum share of the paper's pixels within `border_tolerance` of its level, in smaller and in larger pictures.
    Tuned on: cut digits, photographs."""
    cut_large_side: int = 250
    """Longer side, in pixels, from which a picture is larger in that sense. Not tuned."""
    cut_log_odds: float = 5.0
    """Minimum log odds of which tone is ink, in pictures that are not small. Tuned on: cut digits, photographs."""
    cut_margin: float = 0.25
    """Width of the margin that is restored, as a share of the longer side. Not tuned."""
    cut_min_margin: int = 3
    """Minimum of that width, in pixels. Not tuned."""
    small_side: int = 64
    """Longer side, in pixels, of pictures too small for photographs of paper. Not tuned."""

    # Background
    thumbnail_side: int = 80
    """Longer side, in pixels, of the thumbnail on which background and polarity are estimated. Speed."""
    border_tolerance: int = 6
    """Gray levels by which a border pixel may differ from the border's median. Tuned on: light."""
    border_share: float = 0.75
    """Minimum share of border pixels within the tolerance for the background to count as uniform. Tuned on: light."""
    sheet_difference: int = 24
    """Gray levels by which a sheet differs from the table around it. Tuned on: thick pens."""
    sheet_share: float = 0.4
    """Minimum share of the thumbnail that a sheet on a table covers. Tuned on: thick pens."""
    wide_radius: float = 0.15
    """Radius, as a share of the longer side, above which a region is too wide for a stroke. Tuned on: shadows."""
    stroke_width: float = 0.32
    """Width of the widest stroke, crossings of strokes included, as a share of the longer side. Tuned on: shadows."""
    grain_quantile: float = 0.3
    """Quantile of closing minus picture taken as the paper's grain. Tuned on: lines."""
    background_blur: float = 1.0
    """Standard deviation, in thumbnail pixels, of the blur of the estimated background. Tuned on: shadows."""
    min_paper_level: int = 24
    """Minimum gray level that differences are divided by; limits the amplification of noise on near-black paper. Tuned
    on: light."""

    # Polarity
    patch_level: float = 0.4
    """Minimum share of the strongest local difference for a pixel to count as part of a patch. Tuned on: lines."""
    patch_ratio: float = 3
    """Ratio of dark to light patches, or the reverse, that decides the polarity. Tuned on: lines."""
    paper_difference: float = 0.12
    """Difference from the fitted surface that still counts as paper, as a share of its brightness. Tuned on:
    shadows."""
    min_paper_difference: int = 12
    """The same in gray levels, for dark paper. Tuned on: shadows."""
    paper_share: float = 0.65
    """Share of paper in the thumbnail below which polarity is decided by shape. Tuned on: shadows."""
    min_residual: float = 3.0
    """Minimum difference from the background, in gray levels, that counts for the polarity. Tuned on: light."""
    residual_noise: float = 4
    """The same in standard deviations of the noise. Tuned on: light."""
    corner_side: int = 3
    """Side, in thumbnail pixels, of the corners whose tone is taken for the paper's. Tuned on: shadows."""
    surface_schedule: tuple[tuple[float, int], ...] = ((0.25, 3), (0.22, 3), (0.18, 6), (0.15, 6), (0.12, 6), (0.12, 6))
    """Iterations of the surface fit: (difference that counts as paper, as a share of brightness; number of polynomial
    terms, 3 = plane, 6 = second degree). Tuned on: light."""
    surface_center: int = 5
    """The fit's first estimate is the median of the picture and, once more, of its center: 1/`surface_center` of each
    side is cut off. Tuned on: light."""
    surface_min_pixels: int = 20
    """Minimum number of pixels to fit the surface to; separates a fit from an underdetermined system. Not tuned."""
    surface_ridge: float = 1e-3
    """Ridge term of the fit's normal equations, which keeps them solvable. Not tuned."""

    # Noise and blank pictures
    noise_stride: int = 3
    """Every n-th row and column is read to estimate the noise. Speed."""
    blur_above_noise: float = 0.01
    """Standard deviation of the noise, in contrast, above which the contrast is smoothed. Tuned on: light."""
    blur_sigma: float = 0.8
    """Standard deviation of that smoothing, in pixels. Tuned on: light."""
    min_contrast: float = 0.05
    """Contrast of the strongest ink below which a picture is blank; on white paper 0.05 is gray 242. Tuned on:
    light."""
    min_contrast_noise: float = 5
    """The same in standard deviations of the noise. Tuned on: light."""
    peak_share: int = 3000
    """The strongest ink is the mean of the strongest 1/`peak_share` of the pixels. Tuned on: light."""
    peak_min_pixels: int = 9
    """Minimum number of pixels in that mean: a single pixel must not decide in small pictures. Tuned on: light."""
    peak_subsample_above: int = 40_000
    """Pixels above which only every second row and column is read for that mean. Speed."""

    # Mask of ink
    mask_levels: tuple[float, ...] = (0.25, 0.45)
    """Minimum shares of the strongest contrast for a pixel to be ink, tried in order. Tuned on: lines."""
    mask_noise: float = 3.5
    """Minimum contrast of ink, in standard deviations of the noise. Tuned on: light."""

    # Ruled lines
    line_min_side: int = 64
    """Shorter side, in pixels, below which lines are not searched; separates thumbnails from pictures of paper. Not
    tuned."""
    line_edge: int = 40
    """There must be ink in the outer 1/`line_edge` of the width at both sides, or no line runs across. Tuned on:
    shadows."""
    line_min_edge: int = 2
    """Minimum of that outer part, in pixels. Tuned on: shadows."""
    line_tilt: float = 14
    """Maximum angle between a printed line and the picture's side, in degrees. Tuned on: light."""
    line_angle_step: float = 0.5
    """Angular resolution of the Hough transform, in degrees. Tuned on: light."""
    line_votes: float = 0.55
    """Minimum votes of a Hough line, as a share of the picture's width. Tuned on: light."""
    max_lines: int = 80
    """Hough lines examined in each direction, strongest first. Tuned on: light."""
    line_thickness: int = 8
    """Maximum thickness of a printed line, in pixels of the reduced picture. Tuned on: lines."""
    line_slack: int = 2
    """Pixels by which a line may be thicker than its median in places. Tuned on: light."""
    line_coverage: float = 0.4
    """Share of a Hough line that must be ink; below, the line was erased already. Tuned on: shadows."""

    # Components of the digit
    speck_side: float = 0.04
    """Longer side of a speck, as a share of the picture's. Tuned on: shadows."""
    min_inner_energy: float = 0.005
    """Minimum energy of the main component, as a share of all, where components at the border are ignored. Tuned on:
    lines."""
    component_gap: float = 0.35
    """Gap between the main component and other parts of the digit, as a share of its longer side. Tuned on: light."""
    component_energy: float = 0.05
    """Minimum energy of another part of the digit, as a share of the main component's. Tuned on: light."""
    edge_band: int = 8
    """The dark edge of a scan is searched in the outer 1/`edge_band` of the picture. Tuned on: shadows."""
    edge_fill: float = 0.95
    """Minimum share of ink in a row or column of such an edge. Tuned on: shadows."""
    edge_margin: int = 2
    """Rows or columns that are cleared beyond the beginning of the last full one. Tuned on: shadows."""

    # Several figures
    figure_height: float = 0.55
    """Minimum height of a separate figure, as a share of the highest one's. Not tuned."""
    figure_overlap: float = 0.3
    """Share of the narrower part's width from which two parts are above each other. Not tuned."""
    figure_gap: float = 0.15
    """Gap between two parts above each other from which they are two figures, as a share of the height. Not tuned."""

    # Strength of the ink
    strength_quantile: float = 0.7
    """Quantile of the digit's contrast taken as a first estimate of the pen's full strength. Tuned on: shadows."""
    core_level: float = 0.4
    """Minimum share of that strength for ink to belong to the digit's core. Tuned on: shadows."""
    core_quantile: float = 0.6
    """Quantile of the core's contrast that becomes 1. Tuned on: light."""
    ink_floor: float = 0.05
    """Share of the full strength below which a pixel becomes 0. Not tuned; separates ink from the faint edge of its
    blur."""

    # Thin pens
    thin_stroke: float = 1.2
    """Width of strokes, in pixels of the field of 28, below which they are thickened. Not tuned."""
    thickened_stroke: float = 2.0
    """Width to which they are thickened; MNIST's are 2 to 4 wide. Not tuned."""

    # MNIST's field
    box: float = 20 / 28
    """Side of the digit's box as a share of the field's. MNIST."""
    mnist_min_peak: int = 200
    """Minimum gray level of the strongest ink in a picture that is in MNIST's form already. MNIST."""
    mnist_max_slack: int = 1
    """Maximum pixels by which the longer side of such a picture's digit is shorter than the box. MNIST."""
    mnist_max_offset: float = 0.53
    """Maximum distance, in pixels, of its center of mass from the field's center: half a pixel, and rounding. MNIST."""


THRESHOLDS = MnistThresholds()
"""The thresholds that training and serving use."""
