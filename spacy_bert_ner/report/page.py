"""Results and examples → `report.html`, one file that needs nothing else."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..evaluate.counts import Scores
from .examples import ShownText, choose_colors
from .text import (
    format_decimal,
    format_interval,
    format_number,
    format_p_value,
    format_percent,
    format_signed,
    format_signed_interval,
    format_width,
)

if TYPE_CHECKING:
    from jinja2 import Environment

N_CONFUSIONS = 12


def render_page(
    metrics: Scores,
    samples: Mapping[str, list[ShownText]],
    pictures: Mapping[str, Path],
    *,
    differences: list[ShownText] | None = None,
) -> str:
    """Render the page. Text from data and models is escaped; there are no scripts.

    metrics (Dict[str, Any]): The results, and those of a second model if there is one.
    samples (Mapping[str, List[ShownText]]): Examples of each kind of error.
    pictures (Mapping[str, Path]): SVG files by name, embedded in the page.
    differences (List[ShownText] | None): Texts in which the two models differ.
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
            pictures={name: embed_picture(path) for name, path in pictures.items()},
        )
    )


def make_environment() -> "Environment":
    """Make what fills the templates: it escapes all text and formats our numbers."""
    from jinja2 import Environment, PackageLoader

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


def embed_picture(path: Path) -> str:
    """Encode an SVG file as a data URL."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
