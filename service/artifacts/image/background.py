"""How far each pixel stands out from its paper, whatever the light and whichever of the two is darker."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Contrast = NDArray[np.float32]
"""How much a pixel differs from the paper around it, [H, W]: 0 = paper, 1 = black on white or white on black."""

_SMALL = 96
"""The longer side of the small picture on which the paper, its light and its shadows are estimated."""

_SHARES = (0.25, 0.22, 0.18, 0.15, 0.12, 0.12)
"""Differences that still count as paper while the surface is fitted, as shares of the paper's brightness."""


def contrast(grey: NDArray[np.uint8]) -> Contrast:
    """Estimate the paper under the ink of a grey picture [H, W] and divide it out.

    Most of the picture is paper, and light changes slowly: a surface of second degree is fitted to what is most
    common, and then follows what is left of light and soft shadows wherever there is no ink. Negative where a pixel
    differs from the paper the other way than ink does.
    """
    small = _resize(grey.astype(np.float32), _small_size(grey.shape))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    middle = float(np.median(border))
    even = float(np.mean(np.abs(border - middle) <= 6)) >= 0.75
    paper = np.full(small.shape, middle, np.float32) if even else _surface(small)
    away = small - paper
    dark = _ink_is_dark(away)
    for share in (0.35, 0.25):
        paper = _follow(small, paper, share)
    under = _resize(paper, grey.shape)
    difference = under - grey if dark else grey - under
    room = under if dark else 255 - under
    return np.asarray(difference / np.maximum(room, 24), np.float32)


def _surface(small: Floats) -> Floats:
    """Brightness of the paper as a surface of second degree, fitted to what agrees with it, from the middle outwards."""
    height, width = small.shape
    ys, xs = np.meshgrid(np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32), indexing="ij")
    terms = np.stack([np.ones_like(xs), xs, ys, xs * ys, xs * xs, ys * ys], axis=-1).reshape(-1, 6)
    flat = small.ravel()
    centre = small[height // 5 : height - height // 5, width // 5 : width - width // 5]
    paper = np.full_like(flat, np.median(np.concatenate([flat, centre.ravel()])))
    for step, share in enumerate(_SHARES):
        agrees = np.abs(flat - paper) < np.maximum(share * paper, 12)
        known = terms[agrees, : 3 if step < 2 else 6]
        if len(known) < 20:
            break
        normal = known.T @ known + 1e-3 * np.eye(known.shape[1], dtype=np.float32)
        paper = terms[:, : known.shape[1]] @ np.linalg.solve(normal, known.T @ flat[agrees])
    return np.clip(paper, 0, 255).reshape(small.shape).astype(np.float32)


def _ink_is_dark(away: Floats) -> bool:
    """Whether what stands out from the paper is darker than it."""
    limit = max(3.0, 4 * 1.4826 * float(np.median(np.abs(away))))
    darker, lighter = -away[away < -limit].sum(), away[away > limit].sum()
    return bool(darker >= lighter)


def _follow(small: Floats, paper: Floats, share: float) -> Floats:
    """Correct a guess at the paper by what is seen around the ink, smoothly carried on underneath it."""
    away = small - paper
    size = np.abs(away)
    strongest = float(np.partition(size.ravel(), -9)[-9:].mean())
    limit = max(4.0, share * strongest)
    reach = max(1, max(small.shape) // 48)
    ink = cv2.dilate((size > limit).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    seen = (1 - ink).astype(np.float32)
    spread = max(small.shape) / 20
    # Relative to the guess, so that it stands where no paper is seen.
    correction = cv2.GaussianBlur(away * seen, (0, 0), spread) / (cv2.GaussianBlur(seen, (0, 0), spread) + 0.02)
    return np.asarray(paper + correction, np.float32)


def _small_size(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, _SMALL / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _resize(values: Floats, shape: tuple[int, ...]) -> Floats:
    how = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=how), np.float32)
