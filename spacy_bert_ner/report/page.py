"""Results and examples → `report.html`, one file that needs nothing else."""

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader

from ..evaluate.counts import Scores
from .examples import Sample, choose_colors

N_CONFUSIONS = 12


def render_page(
    metrics: Scores,
    samples: Mapping[str, list[Sample]],
    pictures: Mapping[str, Path],
    *,
    differences: list[Sample] | None = None,
) -> str:
    """Write the page. All text of data and models is escaped; there are no scripts.

    metrics (Dict[str, Any]): The results, with those of a second model if there is one.
    samples (Mapping[str, List[Sample]]): Examples of each kind of error.
    pictures (Mapping[str, Path]): SVG files by name; they go into the page.
    differences (List[Sample] | None): Texts in which the two models differ.
    RETURNS (str): The page.
    """
    other = metrics["compared_with"]
    views = [x[view] for x in (metrics, other) if x for view in ("words", "text")]
    labels = sorted({label for view in views for label in view["labels"]})
    parts = (metrics["data_report"] or {"parts": {}})["parts"].values()
    wrong = [row for row in metrics["words"]["errors"]["confusion"] if row[0] != row[1]]
    return (
        make_environment()
        .get_template("report.html")
        .render(
            m=metrics,
            other=other,
            comparison=metrics["comparison"],
            differences=differences,
            samples=samples,
            labels=labels,
            colors=choose_colors(labels),
            confusions=wrong[:N_CONFUSIONS],
            data_labels=sorted({label for part in parts for label in part["entities"]}),
            pictures={name: embed(path) for name, path in pictures.items()},
        )
    )


def make_environment() -> Environment:
    """Make what fills the templates: it escapes everything, and knows our numbers."""
    environment = Environment(
        loader=PackageLoader("spacy_bert_ner.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=format_percent,
        number=format_number,
        decimal=format_decimal,
        width=format_width,
        interval=format_interval,
        signed=format_signed,
        signed_interval=format_signed_interval,
        p_value=format_p_value,
    )
    return environment


def embed(path: Path) -> str:
    """Give an SVG file as an address that holds it whole."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def is_number(value: object) -> bool:
    """Whether there is a number to show: neither `None` nor undefined in a template."""
    return isinstance(value, int | float)


def format_percent(share: float | None, digits: int = 2) -> str:
    """Write a share as percent, a missing one as a dash.

    EXAMPLE:
        >>> format_percent(0.87654), format_percent(None)
        ('87.65', '–')
    """
    return f"{100 * share:.{digits}f}" if share is not None and is_number(share) else "–"


def format_number(n: float | None) -> str:
    """Write a whole number with commas, a missing one as a dash."""
    return f"{n:,.0f}" if n is not None and is_number(n) else "–"


def format_decimal(n: float | None) -> str:
    """Write a number with one digit, a missing one as a dash."""
    return f"{n:,.1f}" if n is not None and is_number(n) else "–"


def format_width(share: float | None) -> str:
    """Write a share as the width of a bar."""
    return f"{100 * share:.1f}" if share is not None and is_number(share) else "0"


def format_interval(interval: list[float] | None) -> str:
    """Write two shares in percent.

    EXAMPLE:
        >>> format_interval([0.8, 0.856])
        '80.0–85.6'
    """
    return "–".join(f"{100 * x:.1f}" for x in interval) if isinstance(interval, list) else "–"


def format_signed(share: float | None) -> str:
    """Write a difference of shares in percent, with its sign.

    EXAMPLE:
        >>> format_signed(-0.0123), format_signed(0.5)
        ('−1.23', '+50.00')
    """
    if share is None:
        return "–"
    return f"{100 * share:+.2f}".replace("-", "−") if share else "0.00"


def format_signed_interval(interval: list[float] | None) -> str:
    """Write two differences of shares in percent, with their signs."""
    return " to ".join(map(format_signed, interval)) if interval else "–"


def format_p_value(p: float) -> str:
    """Write a p-value, a tiny one as a bound.

    EXAMPLE:
        >>> format_p_value(0.0004), format_p_value(0.25)
        ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
