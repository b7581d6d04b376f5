"""A telephone's camera: perspective, light, optics, sensor and the sharpening that its software adds."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.photographs.paper import Picture, cloud, desk, places


def look_at(page: Picture, rng: np.random.Generator, *, tilt: float, zoom: float = 1.0) -> Picture:
    """Photograph a page from a slant. `tilt` moves the corners by up to that share of the side.

    With `zoom` above 1 the page fills the frame whatever the tilt; below, the desk shows around it.
    """
    height, width = page.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    middle = np.array([width / 2, height / 2], np.float32)
    moved = middle + (corners - middle) * np.float32(zoom)
    moved += rng.uniform(-tilt, tilt, (4, 2)).astype(np.float32) * np.array([width, height], np.float32)
    angle = np.deg2rad(rng.uniform(-7, 7))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, ((moved - middle) @ turn.T + middle).astype(np.float32))
    if zoom >= 1:
        seen = cv2.warpPerspective(page, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, np.float32)
    inside = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (width, height))[..., None]
    seen = cv2.warpPerspective(page, matrix, (width, height))
    # Paper throws a soft shadow on the desk.
    shadow = 1 - 0.35 * cv2.GaussianBlur(np.roll(inside[..., 0], (6, 5), (0, 1)), (0, 0), 7.0)[..., None]
    return np.asarray(seen * inside + desk((height, width), rng) * shadow * (1 - inside), np.float32)


def light(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """How much light falls on each place [H, W]: a lamp from one side, the lens's corners, a hand's shadow."""
    ys, xs = (line - np.float32(0.5) for line in places(size, relative=True))
    direction = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.1, 0.8)
    level = 1 + slope * (np.cos(direction) * xs + np.sin(direction) * ys)
    level *= 1 - rng.uniform(0, 0.7) * (xs**2 + ys**2)
    level *= 1 + 0.03 * cloud(size, max(size) / 3, rng)
    if rng.random() < 0.45:  # the shadow of a hand or of the telephone, its edge soft
        edge = rng.uniform(0, 2 * np.pi)
        across = np.cos(edge) * xs + np.sin(edge) * ys + 0.05 * cloud(size, max(size) / 4, rng) - rng.uniform(-0.3, 0.3)
        level *= 1 - rng.uniform(0.15, 0.55) / (1 + np.exp(-across / rng.uniform(0.004, 0.06)))
    return np.asarray(level / level.max(), np.float32)


def expose(scene: Picture, rng: np.random.Generator, *, blur: float) -> NDArray[np.uint8]:
    """Light the scene, focus badly, add the sensor's noise, sharpen, and store 8 bits [H, W, 3]."""
    height, width = scene.shape[:2]
    lit = scene * scene
    lit *= light((height, width), rng)[..., None]
    lit *= np.array([rng.uniform(0.85, 1.0), rng.uniform(0.93, 1.0), rng.uniform(0.75, 1.0)], np.float32)
    lit *= rng.uniform(0.55, 1.0)
    lit = _shake(cv2.GaussianBlur(lit, (0, 0), max(0.3, blur * rng.uniform(0.4, 1.0))), rng, blur)
    grain = rng.uniform(0.002, 0.02)
    # The arrays are large, and new ones are most of the work: all is done in place.
    deviation = lit * grain
    deviation *= 0.12
    deviation += grain * 0.02 + grain**2
    taken = rng.standard_normal(lit.shape, np.float32)
    taken *= np.sqrt(deviation, out=deviation)
    taken += lit
    # Telephones smooth noise away, which leaves blotches, and then sharpen.
    taken = cv2.GaussianBlur(np.clip(taken, 0, 1, out=taken), (0, 0), rng.uniform(0.4, 0.9))
    taken = np.sqrt(taken, out=taken)
    strength = rng.uniform(0, 0.8)
    sharp = np.subtract(taken, cv2.GaussianBlur(taken, (0, 0), 1.6))
    sharp *= strength
    sharp += taken
    sharp *= 255
    sharp += 0.5
    return np.clip(sharp, 0, 255, out=sharp).astype(np.uint8)


def _shake(lit: Picture, rng: np.random.Generator, blur: float) -> Picture:
    """Now and then the hand moves."""
    length = round(blur * rng.uniform(1, 4))
    if length < 2 or rng.random() < 0.7:
        return lit
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length * np.cos(angle) / 2, length * np.sin(angle) / 2)
    start = (round(length - reach[0]), round(length - reach[1]))
    cv2.line(kernel, start, (round(length + reach[0]), round(length + reach[1])), 1.0)
    return np.asarray(cv2.filter2D(lit, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)
