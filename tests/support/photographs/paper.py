"""Writing surfaces and pens, as colors [H, W, 3], float RGB in 0..1."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.photographs.strokes import Mask

Picture = NDArray[np.float32]
"""Colors [H, W, 3], RGB, 0..1."""

PENS = {
    "ballpoint blue": (0.12, 0.18, 0.52),
    "ballpoint black": (0.13, 0.13, 0.16),
    "pencil": (0.36, 0.36, 0.38),
    "felt black": (0.07, 0.07, 0.08),
    "felt blue": (0.08, 0.16, 0.60),
    "felt red": (0.72, 0.10, 0.14),
    "felt green": (0.06, 0.42, 0.22),
}


def coordinates(size: tuple[int, int], *, relative: bool = False) -> tuple[Mask, Mask]:
    """Row [H, 1] and column [1, W] coordinates of a picture, in pixels or as shares of its sides."""
    ys, xs = (np.arange(side, dtype=np.float32) / np.float32(side if relative else 1) for side in size)
    return ys[:, None], xs[None, :]


def cloud(size: tuple[int, int], grain: float, rng: np.random.Generator) -> Mask:
    """Smooth noise [H, W] of unit standard deviation with blobs of `grain` pixels."""
    coarse = (max(2, int(size[0] / grain) + 2), max(2, int(size[1] / grain) + 2))
    noise = rng.standard_normal(coarse, np.float32)
    return np.asarray(cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def blank_paper(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """White, gray, yellowish or recycled paper with fibers."""
    tint = np.array([rng.uniform(0.86, 0.97)] * 3) * np.array([1.0, rng.uniform(0.97, 1.0), rng.uniform(0.88, 1.0)])
    rough = rng.uniform(0.003, 0.012)
    fibers = sum(rough * cloud(size, grain, rng) for grain in (2.0, 5.0, 23.0))
    sheet = np.clip(tint.astype(np.float32) + np.asarray(fibers, np.float32)[..., None], 0, 1)
    return fold(sheet, rng) if rng.random() < 0.2 else sheet


def fold(paper: Picture, rng: np.random.Generator) -> Picture:
    """Fold a sheet once: a crease, and slightly different light on the two halves."""
    height, width = paper.shape[:2]
    ys, xs = coordinates((height, width))
    angle = rng.choice([0, np.pi / 2]) + rng.uniform(-0.1, 0.1)
    across = (xs - width * rng.uniform(0.2, 0.8)) * np.cos(angle) + (ys - height * rng.uniform(0.2, 0.8)) * np.sin(
        angle
    )
    halves = 1 - rng.uniform(0.02, 0.10) / (1 + np.exp(-across / 3))
    ridge = rng.uniform(-0.12, 0.08) * np.exp(-((across / rng.uniform(1.0, 3.0)) ** 2))
    return np.asarray(paper * (halves + ridge)[..., None], np.float32)


def whiteboard(ink: Mask, rng: np.random.Generator) -> Picture:
    """A marker on a whiteboard, with the reflection of a lamp and traces of earlier writing."""
    size = ink.shape
    ys, xs = coordinates(size)
    traces = np.clip(0.03 * cloud(size, 30.0, rng) * cloud(size, 90.0, rng), 0, 0.08)
    board = np.clip(0.84 - traces, 0, 1)[..., None] * np.array([0.98, 1.0, 1.0], np.float32)
    pen = ("felt black", "felt blue", "felt red", "felt green")[rng.integers(4)]
    drawn = write(np.asarray(board, np.float32), ink, pen, rng)
    center = (size[0] * rng.uniform(0, 1), size[1] * rng.uniform(0, 1))
    reach = max(size) * rng.uniform(0.08, 0.25)
    glare = rng.uniform(0.1, 0.5) * np.exp(-(((ys - center[0]) / reach) ** 2) - ((xs - center[1]) / reach / 2) ** 2)
    return np.clip(drawn + glare[..., None], 0, 1).astype(np.float32)


def rule(paper: Picture, pitch: float, rng: np.random.Generator, *, squared: bool) -> Picture:
    """Print lines or squares `pitch` pixels apart, and sometimes a red margin line."""
    height, width = paper.shape[:2]
    color = np.array([(0.60, 0.68, 0.85), (0.68, 0.70, 0.74), (0.55, 0.75, 0.80), (0.72, 0.62, 0.78)][rng.integers(4)])
    coverage = np.zeros((height, width), np.float32)
    thickness = max(1.0, pitch * rng.uniform(0.015, 0.04))
    offset = rng.uniform(0, pitch)
    _draw_lines(coverage, offset, pitch, thickness)
    if squared:
        _draw_lines(coverage.T, rng.uniform(0, pitch), pitch, thickness)
    ruled = paper * (1 - coverage[..., None]) + paper * color.astype(np.float32) * coverage[..., None]
    if not squared and rng.random() < 0.4:
        margin = np.zeros((height, width), np.float32)
        _draw_lines(margin.T, width * rng.uniform(0.08, 0.2), float(width), thickness * 1.3)
        ruled = ruled * (1 - margin[..., None]) + np.array([0.85, 0.45, 0.48], np.float32) * margin[..., None]
    return np.asarray(ruled, np.float32)


def _draw_lines(coverage: Mask, first: float, pitch: float, thickness: float) -> None:
    """Draw horizontal lines with soft edges into `coverage` [H, W], in place."""
    rows = np.arange(coverage.shape[0], dtype=np.float32)
    distance = np.abs((rows - first + pitch / 2) % pitch - pitch / 2)
    strength = np.clip(thickness / 2 + 0.5 - distance, 0, 1)
    np.maximum(coverage, strength[:, None], out=coverage)


def write(paper: Picture, ink: Mask, pen: str, rng: np.random.Generator) -> Picture:
    """Apply ink to paper: pens press unevenly, pencils catch the grain, felt pens bleed."""
    strength = ink * np.clip(rng.uniform(0.86, 1.0) + 0.06 * cloud(ink.shape, 40.0, rng), 0, 1)
    if pen == "pencil":
        strength = strength * np.clip(0.85 + 0.22 * cloud(ink.shape, 1.7, rng), 0.25, 1)
    elif pen.startswith("felt"):
        strength = cv2.GaussianBlur(strength, (0, 0), 0.8)
    color = np.array(PENS[pen], np.float32)
    opacity = strength.astype(np.float32)[..., None]
    return np.asarray(paper * (1 - opacity) + paper * color * opacity, np.float32)


def chalkboard(ink: Mask, rng: np.random.Generator) -> Picture:
    """Chalk, which skips on a rough dark board with traces of earlier writing."""
    size = ink.shape
    base = np.array([(0.13, 0.25, 0.20), (0.14, 0.15, 0.16), (0.18, 0.24, 0.26)][rng.integers(3)], np.float32)
    traces = 0.035 * cloud(size, 60.0, rng) + 0.02 * cloud((size[0], size[1]), 9.0, rng)
    board = base + traces[..., None] + 0.012 * rng.standard_normal((*size, 1), np.float32)
    skipping = np.clip(0.80 + 0.35 * cloud(size, 2.2, rng) + 0.10 * cloud(size, 12.0, rng), 0.12, 1)
    dust = 0.10 * cv2.GaussianBlur(ink, (0, 0), 9.0)
    chalk = np.array(
        [(0.93, 0.93, 0.90), (0.95, 0.90, 0.55), (0.93, 0.75, 0.78)][rng.choice(3, p=[0.7, 0.2, 0.1])], np.float32
    )
    amount = np.clip(ink * skipping + dust, 0, 1)[..., None]
    return np.clip(board * (1 - amount) + chalk * amount, 0, 1).astype(np.float32)


def desk(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """The desk around the paper: wood with grain, or a plain table top."""
    base = np.array([(0.45, 0.30, 0.18), (0.62, 0.45, 0.28), (0.25, 0.22, 0.20), (0.35, 0.38, 0.42)][rng.integers(4)])
    stripes = cv2.resize(cloud((size[0], 4), 3.0, rng), size[::-1], interpolation=cv2.INTER_LINEAR)
    grain = 0.05 * stripes + 0.02 * cloud(size, 14.0, rng)
    return np.clip(base.astype(np.float32) + grain[..., None], 0, 1).astype(np.float32)
