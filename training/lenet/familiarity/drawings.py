"""Strokes, shapes and textures that are no characters: [28, 28] or cropped ink, 0 = paper to 1 = ink."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.lenet.network.model import SIDE

Ink = NDArray[np.float32]
Drawing = Callable[[np.random.Generator], Ink]

_CANVAS = 64
_MARGIN = 10


def _line(canvas: NDArray[np.uint8], points: NDArray[np.floating], rng: np.random.Generator, *, closed: bool) -> None:
    width = int(rng.integers(3, 9))
    cv2.polylines(canvas, [np.rint(points).astype(np.int32)], closed, 255, width, cv2.LINE_AA)


def _outline(canvas: NDArray[np.uint8], points: NDArray[np.floating], rng: np.random.Generator, filled: float) -> None:
    """Draw a closed line, or fill it, with the probability `filled`."""
    if rng.random() < filled:
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    else:
        _line(canvas, points, rng, closed=True)


def _around(angles: NDArray[np.floating], radius: NDArray[np.floating] | float = 1.0) -> NDArray[np.float64]:
    """The points [N, 2] at these angles and distances from the origin."""
    unit = np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.asarray(unit * np.reshape(radius, (-1, 1)), np.float64)


def _points(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.uniform(_MARGIN, _CANVAS - _MARGIN, (count, 2))


def _turn(points: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Points in -1..1 turned and stretched at random, in pixels of the canvas."""
    angle = rng.uniform(-0.5, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretched = points * rng.uniform(0.6, 1, 2) @ turn.T
    return np.asarray(stretched * (_CANVAS / 2 - _MARGIN) + _CANVAS / 2, np.float64)


def _cropped(canvas: NDArray[np.uint8]) -> Ink:
    rows, columns = np.flatnonzero(canvas.any(axis=1)), np.flatnonzero(canvas.any(axis=0))
    crop = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return crop.astype(np.float32) / np.float32(255)


def _blank() -> NDArray[np.uint8]:
    return np.zeros((_CANVAS, _CANVAS), np.uint8)


def scribble(rng: np.random.Generator) -> Ink:
    """One line through five to nine random points, smooth or with corners."""
    canvas = _blank()
    points = _points(rng, int(rng.integers(5, 10)))
    if rng.random() < 0.5:  # a smooth curve: interpolated, then averaged
        dense = np.stack([np.interp(np.linspace(0, len(points) - 1, 60), range(len(points)), p) for p in points.T], 1)
        points = np.stack([cv2.GaussianBlur(p[None].copy(), (0, 0), 3.0)[0] for p in dense.T], 1)
    _line(canvas, points, rng, closed=False)
    return _cropped(canvas)


def crossing_lines(rng: np.random.Generator) -> Ink:
    """Three to six straight lines."""
    canvas = _blank()
    for _ in range(int(rng.integers(3, 7))):
        _line(canvas, _points(rng, 2), rng, closed=False)
    return _cropped(canvas)


def polygon(rng: np.random.Generator) -> Ink:
    """A triangle, a rectangle or a pentagon, drawn or filled."""
    canvas = _blank()
    corners = int(rng.integers(3, 6))
    angles = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
    points = _turn(_around(angles), rng)
    _outline(canvas, points, rng, filled=0.3)
    return _cropped(canvas)


def wave(rng: np.random.Generator) -> Ink:
    """A wave or zigzag of two to four periods, lying or standing."""
    canvas = _blank()
    x = np.linspace(-1, 1, 60)
    phase = x * np.pi * rng.uniform(2, 4) + rng.uniform(0, 2 * np.pi)
    y = np.sin(phase) if rng.random() < 0.5 else 2 / np.pi * np.arcsin(np.sin(phase))
    points = np.stack([x, y * rng.uniform(0.3, 0.8)], 1)
    _line(canvas, _turn(points[:, ::-1] if rng.random() < 0.5 else points, rng), rng, closed=False)
    return _cropped(canvas)


def dots(rng: np.random.Generator) -> Ink:
    """Three to twelve dots."""
    canvas = _blank()
    for x, y in _points(rng, int(rng.integers(3, 13))):
        cv2.circle(canvas, (round(x), round(y)), int(rng.integers(2, 6)), 255, -1, cv2.LINE_AA)
    return _cropped(canvas)


def cross(rng: np.random.Generator) -> Ink:
    """A plus, a multiplication sign or a star of lines."""
    canvas = _blank()
    count = int(rng.integers(2, 5))
    start = rng.uniform(0, np.pi)
    for index in range(count):
        angle = start + index * np.pi / count
        tip = np.array([np.cos(angle), np.sin(angle)])
        _line(canvas, _turn(np.stack([tip, -tip]), np.random.default_rng(0)), rng, closed=False)
    return _cropped(canvas)


def arcs(rng: np.random.Generator) -> Ink:
    """Two to four arcs of ellipses."""
    canvas = _blank()
    for _ in range(int(rng.integers(2, 5))):
        (center_x, center_y), (radius_x, radius_y) = rng.uniform(22, 42, 2), rng.uniform(6, 18, 2)
        start, turned = rng.uniform(0, 360, 2)
        cv2.ellipse(
            canvas, (round(center_x), round(center_y)), (round(radius_x), round(radius_y)), turned, start,
            start + rng.uniform(90, 330), 255, int(rng.integers(3, 9)), cv2.LINE_AA,
        )  # fmt: skip
    return _cropped(canvas)


def closed_curve(rng: np.random.Generator) -> Ink:
    """A smooth outline around a point, unlike an ellipse, drawn or filled."""
    canvas = _blank()
    angles = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    radius = np.ones(len(angles))
    for frequency in range(1, int(rng.integers(4, 7))):
        # Without the third frequency it would be nearly an ellipse, as a 0 is.
        amplitude = rng.uniform(0.25, 0.4) if frequency == 3 else rng.uniform(0, 0.6) / frequency
        radius += amplitude * np.cos(frequency * angles + rng.uniform(0, 2 * np.pi))
    radius = np.maximum(radius, 0.15)
    points = _turn(_around(angles, radius / radius.max()), rng)
    _outline(canvas, points, rng, filled=0.5)
    return _cropped(canvas)


def loops(rng: np.random.Generator) -> Ink:
    """A closed curve that crosses itself: a Lissajous figure or a rosette."""
    canvas = _blank()
    time = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    if rng.random() < 0.5:
        x, y = rng.choice([(1, 2), (1, 3), (3, 1), (2, 3), (3, 2), (3, 4)])  # (2, 1) is an 8
        # Near these phases the curve does not run back on itself.
        phase = (np.pi / 2 if x % 2 and y % 2 else 0) + rng.uniform(-0.2, 0.2)
        points = np.stack([np.sin(x * time + phase), np.sin(y * time)], 1)
    else:
        depth = rng.uniform(0.55, 0.8)
        radius = 1 - depth + depth * np.cos(int(rng.integers(2, 6)) * time)
        points = _around(time, radius)
    _line(canvas, _turn(points, rng), rng, closed=True)
    return _cropped(canvas)


def outlines(rng: np.random.Generator) -> Ink:
    """Two or three outlines of polygons or ellipses, within each other or side by side, not on top of each other."""
    canvas = _blank()
    center = np.full(2, _CANVAS / 2)
    if rng.random() < 0.4:
        rings = [(center, _CANVAS / 2 - _MARGIN), (center, rng.uniform(6, 14))]
    else:
        direction, distance = rng.uniform(-np.pi / 4, np.pi / 4), rng.uniform(6, 14)
        offset = np.array([np.cos(direction), np.sin(direction)]) * distance
        rings = [(center - offset, rng.uniform(8, 14)), (center + offset, rng.uniform(8, 14))]
        if rng.random() < 0.3:
            rings.append((center, rng.uniform(4, 10)))
    for middle, radius in rings:
        corners = int(rng.choice([3, 4, 5, 6, 24]))  # 24: an ellipse
        angles = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
        points = _around(angles, radius) * rng.uniform(0.6, 1, 2) + middle
        _line(canvas, points, rng, closed=True)
    return _cropped(canvas)


def grid(rng: np.random.Generator) -> Ink:
    """Two lines or more across three or more, as in a ladder, a fence or a window."""
    canvas = _blank()
    few, many = np.linspace(-1, 1, int(rng.integers(2, 5))), np.linspace(-1, 1, int(rng.integers(3, 5)))
    lines = [[(-1, y), (1, y)] for y in few] + [[(x, -1), (x, 1)] for x in many]
    points = np.array(lines).reshape(-1, 2)
    if rng.random() < 0.5:
        points = points[:, ::-1]
    for line in _turn(points, rng).reshape(-1, 2, 2):
        _line(canvas, line, rng, closed=False)
    return _cropped(canvas)


def arrow(rng: np.random.Generator) -> Ink:
    """An arrow in any direction."""
    canvas = _blank()
    start, end = _points(rng, 2)
    while np.hypot(*(end - start)) < _CANVAS / 3:
        start, end = _points(rng, 2)
    ends = [tuple(round(value) for value in point.tolist()) for point in (start, end)]
    cv2.arrowedLine(canvas, ends[0], ends[1], 255, int(rng.integers(3, 7)), cv2.LINE_AA, tipLength=0.4)
    return _cropped(canvas)


def star(rng: np.random.Generator) -> Ink:
    """A star of five or six points, drawn or filled."""
    canvas = _blank()
    tips = int(rng.integers(5, 7))
    angles = rng.uniform(0, 2 * np.pi) + np.arange(2 * tips) * np.pi / tips
    radius = np.where(np.arange(2 * tips) % 2, rng.uniform(0.35, 0.5), 1.0)
    points = _turn(_around(angles, radius), rng)
    _outline(canvas, points, rng, filled=0.5)
    return _cropped(canvas)


def spiral(rng: np.random.Generator) -> Ink:
    """A spiral of two to three turns."""
    canvas = _blank()
    angles = np.linspace(0, rng.uniform(4, 6) * np.pi, 90)
    points = _around(angles, angles / angles[-1])
    _line(canvas, _turn(points * (1, rng.choice([-1, 1])), rng), rng, closed=False)
    return _cropped(canvas)


def house(rng: np.random.Generator) -> Ink:
    """A square with a roof."""
    canvas = _blank()
    corners = np.array([[-1, 1], [1, 1], [1, -0.2], [0, -1], [-1, -0.2], [-1, 1]])
    points = _turn(corners, rng)
    _line(canvas, points, rng, closed=True)
    _line(canvas, points[[2, 4]], rng, closed=False)
    return _cropped(canvas)


def smooth_noise(rng: np.random.Generator) -> Ink:
    """Noise of any grain over the whole field."""
    noise = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), rng.uniform(0.3, 3.0))
    return _to_unit(np.asarray(noise, np.float32))


def grating(rng: np.random.Generator) -> Ink:
    """Parallel stripes over the whole field."""
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 12)
    stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi))
    return _to_unit(np.clip(stripes * rng.uniform(1, 5), -1, 1).astype(np.float32))


def blotches(rng: np.random.Generator) -> Ink:
    """Thresholded noise over the whole field."""
    noise = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), rng.uniform(1.0, 3.0))
    blobs = (noise > np.quantile(noise, rng.uniform(0.4, 0.85))).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(blobs, (0, 0), 0.5), np.float32)


def checkerboard(rng: np.random.Generator) -> Ink:
    """Squares of two levels over the whole field."""
    side, (shift_y, shift_x) = int(rng.integers(2, 8)), rng.integers(0, 8, 2)
    y, x = np.mgrid[:SIDE, :SIDE]
    board = ((x + shift_x) // side + (y + shift_y) // side) % 2
    return np.asarray(board * rng.uniform(0.5, 1), np.float32)


def _to_unit(values: Ink) -> Ink:
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / max(high - low, 1e-6), np.float32)


STROKES: tuple[Drawing, ...] = (
    scribble, crossing_lines, polygon, wave, dots, cross, arcs, closed_curve, loops, outlines, grid,
)  # fmt: skip
"""Drawings of ink on paper to train with."""
TEXTURES: tuple[Drawing, ...] = (smooth_noise, grating)
"""Fields [28, 28] to train with."""
UNSEEN_STROKES: tuple[Drawing, ...] = (arrow, star, spiral, house)
"""Drawings of ink on paper to evaluate with; never trained on."""
UNSEEN_TEXTURES: tuple[Drawing, ...] = (blotches, checkerboard)
"""Fields [28, 28] to evaluate with; never trained on."""
