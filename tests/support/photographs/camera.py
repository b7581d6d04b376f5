"""Model of a phone's camera: perspective, light, optics, sensor noise and sharpening."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.photographs.paper import Picture, cloud, coordinates, desk


def project(page: Picture, rng: np.random.Generator, *, tilt: float, zoom: float = 1.0) -> Picture:
    """Project a page onto the image plane with a random perspective.

    Args:
        page: the page, colors [H, W, 3].
        rng: source of all random choices.
        tilt: largest displacement of a corner, as a share of the side.
        zoom: magnification; above 1 the page fills the frame, below 1 the desk is visible around it.
    """
    height, width = page.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    center = np.array([width / 2, height / 2], np.float32)
    projected = center + (corners - center) * np.float32(zoom)
    projected += rng.uniform(-tilt, tilt, (4, 2)).astype(np.float32) * np.array([width, height], np.float32)
    angle = np.deg2rad(rng.uniform(-7, 7))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, ((projected - center) @ rotation.T + center).astype(np.float32))
    if zoom >= 1:
        scene = cv2.warpPerspective(
            page, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(scene, np.float32)
    inside = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (width, height))[..., None]
    scene = cv2.warpPerspective(page, matrix, (width, height))
    # The paper casts a soft shadow on the desk.
    shadow = 1 - 0.35 * cv2.GaussianBlur(np.roll(inside[..., 0], (6, 5), (0, 1)), (0, 0), 7.0)[..., None]
    return np.asarray(scene * inside + desk((height, width), rng) * shadow * (1 - inside), np.float32)


def light(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Relative illumination of each pixel [H, W]: a lamp at one side, vignetting, and the shadow of a hand."""
    ys, xs = (line - np.float32(0.5) for line in coordinates(size, relative=True))
    direction = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.1, 0.8)
    level = 1 + slope * (np.cos(direction) * xs + np.sin(direction) * ys)
    level *= 1 - rng.uniform(0, 0.7) * (xs**2 + ys**2)
    level *= 1 + 0.03 * cloud(size, max(size) / 3, rng)
    if rng.random() < 0.45:  # the shadow of a hand or of the phone, with a soft edge
        edge = rng.uniform(0, 2 * np.pi)
        across = np.cos(edge) * xs + np.sin(edge) * ys + 0.05 * cloud(size, max(size) / 4, rng) - rng.uniform(-0.3, 0.3)
        level *= 1 - rng.uniform(0.15, 0.55) / (1 + np.exp(-across / rng.uniform(0.004, 0.06)))
    return np.asarray(level / level.max(), np.float32)


def expose(scene: Picture, rng: np.random.Generator, *, blur: float) -> NDArray[np.uint8]:
    """Expose a scene: light, defocus, motion blur, sensor noise and sharpening, to 8 bits [H, W, 3]."""
    height, width = scene.shape[:2]
    lit = scene * scene
    lit *= light((height, width), rng)[..., None]
    lit *= np.array([rng.uniform(0.85, 1.0), rng.uniform(0.93, 1.0), rng.uniform(0.75, 1.0)], np.float32)
    lit *= rng.uniform(0.55, 1.0)
    lit = _motion_blur(cv2.GaussianBlur(lit, (0, 0), max(0.3, blur * rng.uniform(0.4, 1.0))), rng, blur)
    grain = rng.uniform(0.002, 0.02)
    # In place: allocating large arrays would take most of the time.
    deviation = lit * grain
    deviation *= 0.12
    deviation += grain * 0.02 + grain**2
    exposed = rng.standard_normal(lit.shape, np.float32)
    exposed *= np.sqrt(deviation, out=deviation)
    exposed += lit
    # Phones smooth noise, which leaves blotches, and then sharpen.
    exposed = cv2.GaussianBlur(np.clip(exposed, 0, 1, out=exposed), (0, 0), rng.uniform(0.4, 0.9))
    exposed = np.sqrt(exposed, out=exposed)
    strength = rng.uniform(0, 0.8)
    sharp = np.subtract(exposed, cv2.GaussianBlur(exposed, (0, 0), 1.6))
    sharp *= strength
    sharp += exposed
    sharp *= 255
    sharp += 0.5
    return np.clip(sharp, 0, 255, out=sharp).astype(np.uint8)


def _motion_blur(lit: Picture, rng: np.random.Generator, blur: float) -> Picture:
    """Apply motion blur to some of the photographs."""
    length = round(blur * rng.uniform(1, 4))
    if length < 2 or rng.random() < 0.7:
        return lit
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length * np.cos(angle) / 2, length * np.sin(angle) / 2)
    start = (round(length - reach[0]), round(length - reach[1]))
    cv2.line(kernel, start, (round(length + reach[0]), round(length + reach[1])), 1.0)
    return np.asarray(cv2.filter2D(lit, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)
