"""Images that are none of a classifier's classes, and printed images that are, by kind."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import center_in_field
from training.lenet.config import Normalizer
from training.lenet.data.dataset import Split
from training.lenet.familiarity import drawings
from training.lenet.familiarity.drawings import Drawing, Ink
from training.lenet.familiarity.glyphs import (
    OTHER_SCRIPTS,
    SYMBOLS,
    Font,
    draw_character,
    foreign_characters,
    printed_classes,
)
from training.lenet.network.model import SIDE

Images = NDArray[np.uint8]
"""Images [N, 28, 28], 0 = paper to 255 = ink."""

_FIELD = (SIDE, SIDE)
_STACKED = 1 / 6
"""Share of the pairs that are one above the other."""


class OutlierMaker:
    """Makes outliers of a data set; a `fit` model's are whole pictures, a `mnist` model's are normalized ink.

    Args:
        images: images of the classes, which collages and scrambled images are made of.
        labels: names of the classes.
        normalizer: how the model's pictures are normalized.
        fonts: fonts to draw characters of; of no use unless the labels are characters.
        rng: source of all random choices.
    """

    def __init__(
        self,
        images: Split,
        labels: tuple[str, ...],
        normalizer: Normalizer,
        fonts: Sequence[Font],
        rng: np.random.Generator,
    ) -> None:
        self._images = images.images
        self._labels = labels
        self._is_ink = normalizer == "mnist"
        self._fonts = fonts if self._is_ink and printed_classes(labels) else ()
        self._rng = rng

    def training_kinds(self, count: int) -> dict[str, Images]:
        """About `count` outliers to train with."""
        kinds = {
            "letters": self.characters(foreign_characters(self._labels), count // 3),
            "symbols": self.characters(SYMBOLS, count // 20),
            "strokes": self.drawn(drawings.STROKES, count // 6),
            "textures": self.drawn(drawings.TEXTURES, count // 20),
            "two side by side": self.collages(count // 4),
            "scrambled": self.scrambled(count // 10),
        }
        return {kind: images for kind, images in kinds.items() if len(images)}

    def evaluation_kinds(self, count: int) -> dict[str, Images]:
        """`count` outliers of each kind; those marked unseen are of no kind that is trained with."""
        kinds = {
            "letters": self.characters(foreign_characters(self._labels), count),
            "symbols": self.characters(SYMBOLS, count),
            "other scripts (unseen)": self.characters(OTHER_SCRIPTS, count),
            "strokes": self.drawn(drawings.STROKES, count),
            "shapes (unseen)": self.drawn(drawings.UNSEEN_STROKES, count),
            "textures": self.drawn(drawings.TEXTURES, count),
            "textures (unseen)": self.drawn(drawings.UNSEEN_TEXTURES, count),
            "two side by side": self.collages(count),
            "scrambled": self.scrambled(count),
        }
        return {kind: images for kind, images in kinds.items() if len(images)}

    @property
    def draws_characters(self) -> bool:
        """Whether characters of fonts are outliers and examples of the classes."""
        return bool(self._fonts)

    def printed(self, count: int) -> tuple[Images, NDArray[np.int64]]:
        """About `count` printed examples of the classes with their labels; none unless the labels are characters."""
        images = [self.characters(label, count // len(self._labels)) for label in self._labels]
        return np.concatenate(images), np.repeat(np.arange(len(self._labels)), [len(part) for part in images])

    def characters(self, characters: str, count: int) -> Images:
        """Characters of the fonts."""
        pairs = [(font, character) for font in self._fonts for character in characters if character in font.characters]
        if not pairs:
            return np.empty((0, *_FIELD), np.uint8)
        order = np.concatenate([self._rng.permutation(len(pairs)) for _ in range(-(-count // len(pairs)))])[:count]
        drawn = {index: self._place(draw_character(*pairs[index])) for index in np.unique(order).tolist()}
        return np.stack([drawn[index] for index in order.tolist()])

    def drawn(self, kinds: Sequence[Drawing], count: int) -> Images:
        """Drawings of the kinds in turn."""
        return np.stack([self._place(kinds[index % len(kinds)](self._rng)) for index in range(count)])

    def collages(self, count: int) -> Images:
        """Two images of the data, one picture: beside each other, in one of six one above the other."""
        firsts, seconds = self._images[self._rng.integers(0, len(self._images), (2, count))]
        make = self._join_ink if self._is_ink else self._join_halves
        return np.stack([make(first, second) for first, second in zip(firsts, seconds, strict=True)])

    def scrambled(self, count: int) -> Images:
        """Images of the data whose quarters have changed places."""
        images = self._images[self._rng.integers(0, len(self._images), count)]
        half = SIDE // 2
        quarters = images.reshape(count, 2, half, 2, half).swapaxes(2, 3).reshape(count, 4, half, half)
        orders = np.array([[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1], [1, 2, 3, 0], [2, 0, 3, 1]])
        chosen = orders[self._rng.integers(0, len(orders), count)]
        moved = np.take_along_axis(quarters, chosen[:, :, None, None], axis=1)
        return moved.reshape(count, 2, 2, half, half).swapaxes(2, 3).reshape(images.shape)

    def _place(self, ink: Ink) -> Images:
        """Ink as an image of the model: normalized, or for a `fit` model as a picture of either polarity."""
        image = ink if ink.shape == _FIELD else center_in_field(ink, _FIELD)
        if not self._is_ink:
            low, high = np.sort(self._rng.uniform(0, 1, 2))
            image = low + (high - low) * (image if self._rng.random() < 0.5 else 1 - image)
        return np.rint(image * 255).astype(np.uint8)

    def _join_ink(self, first: Images, second: Images) -> Images:
        """The ink of two images, with a gap of -5 to 8 pixels."""
        is_stacked = self._rng.random() < _STACKED
        crops = [_crop(image.T if is_stacked else image) for image in (first, second)]
        gap, shift = int(self._rng.integers(-5, 9)), int(self._rng.integers(-4, 5))
        height = max(crop.shape[0] for crop in crops) + abs(shift)
        width = max(crops[0].shape[1] + crops[1].shape[1] + gap, *(crop.shape[1] for crop in crops))
        canvas = np.zeros((height, width), np.uint8)
        tops = (max(-shift, 0), max(shift, 0))
        lefts = (0, width - crops[1].shape[1])
        for crop, top, left in zip(crops, tops, lefts, strict=True):
            part = canvas[top : top + crop.shape[0], left : left + crop.shape[1]]
            np.maximum(part, crop, out=part)
        return self._place((canvas.T if is_stacked else canvas).astype(np.float32) / np.float32(255))

    def _join_halves(self, first: Images, second: Images) -> Images:
        """Two whole pictures, each squeezed into half of the field."""
        joined = np.concatenate([first[:, ::2], second[:, ::2]], axis=1)
        return joined.T.copy() if self._rng.random() < 0.5 else joined


def _crop(image: Images) -> Images:
    """An image [28, 28] cropped to its ink; the whole of a blank one."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else image
