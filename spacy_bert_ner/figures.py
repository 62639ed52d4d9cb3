"""A picture → SVG and PNG files, drawn without a display and reproducible to the byte."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .install import install_extra


def has_matplotlib() -> bool:
    """Check whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """Raise an error if Matplotlib is not installed.

    RAISES (ValueError): If it is missing, with the command that installs it.
    """
    if not has_matplotlib():
        raise ValueError(
            "Pictures need Matplotlib, which is not installed. Run "
            f"`{install_extra('plots')}`, or set `plot = false`."
        )


def draw_figure(paint: Callable[[Any], None], *paths: Path) -> list[Path]:
    """Draw one picture and save it to files.

    Labels are shown as text, never parsed as formulas. The same picture gives the same bytes.

    paint (Callable[[Figure], None]): Draws on the empty figure and sets its size.
    *paths (Path): The files; the suffix of each chooses its format (`.svg` or `.png`).
    RETURNS (List[Path]): The files.
    RAISES (ValueError): If Matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        # The PNG shows boxes for letters that Matplotlib's font lacks; the SVG holds text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            options: Any = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 130}
            figure.savefig(path, transparent=path.suffix == ".svg", **options)
    return list(paths)
