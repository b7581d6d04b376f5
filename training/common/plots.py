"""Saving figures."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.common.files import write_bytes

_DPI = 120


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file without needing a display; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, draw(figure, path.name))


def draw(figure: Figure, name: str) -> bytes:
    """The content of a figure's file; the ending of its name says the format."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format=name.rpartition(".")[2], dpi=_DPI)
    return content.getvalue()
