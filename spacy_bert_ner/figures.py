"""One canvas for every picture: drawn without a display, the same numbers → the same bytes."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .install import install_extra


def has_matplotlib() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    RAISES (ValueError): If matplotlib is missing, with the command that installs it.
    """
    if not has_matplotlib():
        raise ValueError(
            "Matplotlib draws the pictures, but it is not installed. Run "
            f"`{install_extra('plots')}`, or set `plot = false`."
        )


def draw_figure(paint: Callable[[Any], None], *paths: Path) -> list[Path]:
    """Draw one picture into files.

    Labels are shown as text, never read as formulas. The same picture gives the same bytes.

    paint (Callable[[Figure], None]): Draws on the empty figure and sets its size.
    *paths (Path): The files; the suffix of each chooses its format (`.svg` or `.png`).
    RETURNS (List[Path]): The files.
    RAISES (ValueError): If matplotlib is missing.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        # In the PNG, letters that matplotlib's font lacks are boxes; the SVG is text.
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
