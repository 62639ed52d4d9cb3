"""The table of rooms in docs/architecture.md → docs/architecture.svg: two paths through them."""

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

import typer
from wasabi import msg

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = PAGE.with_suffix(".svg")
PER_LINE = 6
BOX, GAP, HEIGHT, LINE = 98, 74, 34, 62
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b1f24;text-anchor:middle}"
    ".way{font-weight:600;text-anchor:start}.data{font-size:11px;fill:#59636e}"
    ".box{fill:#eaf2fb;stroke:#1f4e79}.free{fill:#f6f8fa;stroke:#8c959f}"
    "path{stroke:#59636e;fill:none;marker-end:url(#tip)}"
)


class Room(NamedTuple):
    """A row of the table.

    name (str): The folder or module.
    text (str): What happens there.
    gives (str): What it passes to the next room; "a / b" if that differs between the paths.
    doc_step (str): Its place on a doc's path; empty if it is not on it.
    run_step (str): Its place on a training run's path; empty if it is not on it.
    """

    name: str
    text: str
    gives: str = ""
    doc_step: str = ""
    run_step: str = ""


def main(output: Path = PICTURE) -> None:
    """Draw the picture."""
    output.write_text(draw(read_rooms(PAGE)), encoding="utf8")
    msg.good(f"{output}")


def read_rooms(page: Path) -> list[Room]:
    """Read the rooms from the page, in the order of imports."""
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", page.read_text("utf8"), re.MULTILINE)
    return [Room(name, *(cell.strip() for cell in cells.split("|"))) for name, cells in rows]


def draw(rooms: list[Room]) -> str:
    """Draw both paths, and the rooms on neither.

    rooms (List[Room]): The rooms.
    RETURNS (str): SVG.
    """
    doc = sorted((room for room in rooms if room.doc_step), key=lambda room: int(room.doc_step))
    run = sorted((room for room in rooms if room.run_step), key=lambda room: int(room.run_step))
    free = [room for room in rooms if not room.doc_step and not room.run_step]
    parts: list[str] = []
    y = 12
    y = _add_lane(parts, y, "A doc: text in, entities out", doc, gives=0)
    y = _add_lane(parts, y, "A training run: files in, a wheel out", run, gives=-1)
    y = _add_lane(parts, y, "Used along the way", free)
    width = PER_LINE * (BOX + GAP) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" '
        f'aria-label="The rooms of spacy_bert_ner"><style>{STYLE}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" '
        'style="fill:#59636e;stroke:none;marker-end:none"/></marker></defs>\n'
        f'<rect width="{width}" height="{y}" rx="8" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _add_lane(
    parts: list[str], y: int, title: str, way: list[Room], *, gives: int | None = None
) -> int:
    parts.append(f'<text class="way" x="12" y="{y + 14}">{escape(title)}</text>')
    y += 26
    for i, room in enumerate(way):
        row, column = divmod(i, PER_LINE)
        x, top = 12 + column * (BOX + GAP), y + row * LINE
        middle = top + HEIGHT / 2
        kind = "free" if gives is None else "box"
        parts.append(
            f'<g><title>{escape(room.text)}</title><rect class="{kind}" x="{x}" y="{top}" '
            f'width="{BOX}" height="{HEIGHT}" rx="6"/>'
            f'<text x="{x + BOX / 2}" y="{middle + 4.5}">{room.name}</text></g>'
        )
        if gives is not None:
            start, end = x + BOX + 3, x + BOX + GAP - 3
            data = escape(room.gives.split(" / ")[gives])
            parts.append(
                f'<path d="M{start} {middle}H{end}"/><text class="data" '
                f'x="{(start + end) / 2}" y="{middle - 6}">{data}</text>'
            )
    return y + ((len(way) - 1) // PER_LINE + 1) * LINE


if __name__ == "__main__":
    typer.run(main)
