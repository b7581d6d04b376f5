"""Characters of fonts: outliers of most classifiers of single characters, and printed examples of their classes."""

import string
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.common.errors import ConfigError

_CHARACTERS = string.ascii_letters + string.digits
SYMBOLS = "&@#%?$+=*<>{}"
"""Signs that are outliers beside letters and digits."""
OTHER_SCRIPTS = "ΔΘΛΞΠΣΦΨΩαδλπψБГДЖЙЦЩЫЮЯ"
"""Greek and Cyrillic letters unlike Latin letters and digits; only to evaluate with."""
_SAME_SHAPE = ("0Oo", "1Il", "cC", "kK", "pP", "sS", "uU", "vV", "wW", "xX", "yY", "zZ")
"""Characters that many fonts and hands draw alike: one of them is no outlier where another is a class."""
_DEFAULT_FONTS = ("DejaVu*.ttf", "STIXGeneral*.ttf", "cmr10.ttf", "cmb10.ttf", "cmss10.ttf", "cmtt10.ttf")
_FONT_SIZE = 40


@dataclass(frozen=True)
class Font:
    """A font file that has all letters and digits."""

    path: Path
    group: str
    """First word of the family's name, as `DejaVu`: files of one group are never divided between splits."""
    characters: frozenset[str]


def load_fonts(folder: Path | None) -> list[Font]:
    """The fonts that matplotlib brings and those in `folder`, sorted by group and name.

    Raises:
        ConfigError: the folder is missing, or has no font with all Latin letters and digits.
    """
    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = [path for pattern in _DEFAULT_FONTS for path in own.glob(pattern)]
    if folder is not None:
        paths += (found := sorted([*folder.rglob("*.ttf"), *folder.rglob("*.otf")]))
        if not any(map(_read_font, found)):
            raise ConfigError(f"--fonts {folder}: has no .ttf or .otf file with all Latin letters and digits")
    fonts = [font for font in map(_read_font, paths) if font is not None]
    return sorted(fonts, key=lambda font: (font.group, font.path.name))


def split_fonts(fonts: list[Font]) -> dict[str, list[Font]]:
    """Divide fonts by group: `train` about half of the groups, `calibration` and `evaluation` a quarter each."""
    groups = sorted({font.group for font in fonts})
    parts = ("evaluation", "train", "calibration", "train")
    part_of = {group: parts[index % len(parts)] for index, group in enumerate(groups)}
    return {part: [font for font in fonts if part_of[font.group] == part] for part in sorted(set(parts))}


def printed_classes(labels: tuple[str, ...]) -> bool:
    """Whether the labels are single letters and digits, so that fonts have printed examples of the classes."""
    return all(len(label) == 1 and label in _CHARACTERS for label in labels)


def foreign_characters(labels: tuple[str, ...], candidates: str = string.ascii_letters + string.digits) -> str:
    """Those of `candidates` that are drawn unlike every label."""
    known = set(labels)
    for group in _SAME_SHAPE:
        if known & set(group):
            known |= set(group)
    return "".join(character for character in candidates if character not in known)


def draw_character(font: Font, character: str) -> NDArray[np.float32]:
    """Draw a character, ink [h, w] in 0..1, cropped to it."""
    face = ImageFont.truetype(font.path, _FONT_SIZE)
    canvas = Image.new("L", (4 * _FONT_SIZE, 4 * _FONT_SIZE))
    ImageDraw.Draw(canvas).text((_FONT_SIZE, _FONT_SIZE), character, fill=255, font=face)
    box = canvas.getbbox()
    return np.asarray(canvas.crop(box), np.float32) / np.float32(255)


def _read_font(path: Path) -> Font | None:
    """A font with all letters and digits; None for any other."""
    try:
        face = FT2Font(str(path))
    except RuntimeError:
        return None
    characters = frozenset(map(chr, face.get_charmap()))
    if not characters >= set(_CHARACTERS):
        return None
    return Font(path, (face.family_name.split() or [path.stem])[0], characters)
