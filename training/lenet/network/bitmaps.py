"""Target vectors of the RBF output units: each digit drawn on 7x12 pixels, +1 = ink, -1 = paper.

Drawn for this project in the style of figure 3 of LeCun et al. 1998; not the paper's own bitmaps.
"""

_HEIGHT, _WIDTH = 12, 7

_DRAWINGS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...##..  .#####.  .#####.  ....##.  ######.  ...###.  #######  .#####.  ..###..
.##.##.  ..###..  ##...##  ##...##  ...###.  ##.....  ..##...  .....##  ##...##  .##.##.
##...##  .####..  .....##  .....##  ..####.  ##.....  .##....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  ....##.  ..####.  ##..##.  #####..  #####..  ....##.  .#####.  ##...##
##...##  ...##..  ...##..  .....##  ##..##.  ....##.  ##..##.  ...##..  ##...##  .##..##
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  ..#####
##...##  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ....##.  ##...##  .##.##.  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  ....##.  .#####.  ..###..  ..##...  .#####.  .###...
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def _parse(drawings: str) -> tuple[tuple[int, ...], ...]:
    """Parse drawings that stand side by side."""
    rows = [line.split() for line in drawings.strip().splitlines()]
    assert len(rows) == _HEIGHT
    assert all(len(cell) == _WIDTH for row in rows for cell in row)
    return tuple(
        tuple(1 if pixel == "#" else -1 for row in digit for pixel in row) for digit in zip(*rows, strict=True)
    )


DIGIT_BITMAPS: tuple[tuple[int, ...], ...] = _parse(_DRAWINGS)
"""The 84 pixels of each of the ten digits, +1 or -1, row by row."""
