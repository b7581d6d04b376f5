"""Write sample pictures: `python -m tests.support.photographs --out DIR [--data DIR] [--each 8] [--seed 0]`."""

import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.support.photographs import KINDS, make_photograph
from tests.support.photographs.held_out import held_out

_TILE = 200


def main() -> None:
    """Write sample files and a contact sheet with one row per kind."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.photographs", description="Sample pictures of digits."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--data", type=Path, default=os.environ.get("LECTERN_DATA"), help="folder with mnist/")
    parser.add_argument("--each", type=int, default=8, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data or set LECTERN_DATA to the folder that has MNIST's idx files in mnist/")
    images, labels = held_out(options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    sheet = Image.new("RGB", (_TILE * options.each, (_TILE + 14) * len(KINDS)), "gray")
    for row, kind in enumerate(KINDS):
        ImageDraw.Draw(sheet).text((4, row * (_TILE + 14)), kind, fill="white")
        for column in range(options.each):
            index = int(rng.integers(len(images)))
            photograph = make_photograph(images[index], kind, rng)
            extension = photograph.content_type.removeprefix("image/")
            (options.out / f"{kind}-{column}-is-{labels[index]}.{extension}").write_bytes(photograph.data)
            tile = Image.open(io.BytesIO(photograph.data)).convert("RGBA")
            tile.thumbnail((_TILE - 4, _TILE - 4))
            sheet.paste(tile, (column * _TILE + 2, row * (_TILE + 14) + 14), tile)
    sheet.save(options.out / "contact-sheet.png")


if __name__ == "__main__":
    main()
