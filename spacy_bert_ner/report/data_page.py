"""A data report → `report.json`, `report.md` and a picture."""

import json
from functools import partial
from pathlib import Path

from wasabi import MarkdownRenderer

from ..convert.data_report import REPORT_SUFFIXES, Report
from ..figures import draw_figure, has_matplotlib
from ..install import install_extra
from .pictures import draw_data
from .text import code

MARKDOWN = MarkdownRenderer()


def write_data_report(report: Report, stem: Path) -> list[Path]:
    """Write `STEM.json`, `STEM.md` and, where matplotlib is installed, `STEM.png`.

    report (Report): The report.
    stem (Path): Path of the files without their endings.
    RETURNS (list[Path]): The files written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(stem.name + suffix) for suffix in REPORT_SUFFIXES]
    has_picture = has_matplotlib()
    if has_picture:
        draw_figure(partial(draw_data, report=report), paths[2])
    text = json.dumps(report, indent=2, ensure_ascii=False)
    page = render_report(report, picture=paths[2].name if has_picture else "")
    for path, content in zip(paths, (text, page), strict=False):
        path.write_text(content, encoding="utf8", errors="backslashreplace")
    return paths if has_picture else paths[:2]


def render_report(report: Report, *, picture: str | None = None) -> str:
    """Render the report as a Markdown page.

    Everything that comes from a file is shown as code, so that nothing in it is read
    as markup.

    report (Report): The report.
    picture (str | None): File name of the picture next to the page; "" if it could
        not be drawn, None for a page without one.
    RETURNS (str): The page.
    """
    sections = [
        "# Data report",
        _render_inputs(report),
        _render_parts(report),
        _render_picture(picture),
        _render_repeats(report),
        _render_tokenizer(report),
        _render_encoder(report),
        _render_findings(report),
        _render_settings(report),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _render_inputs(report: Report) -> str:
    rows = [
        (
            code(item["name"]),
            item["part"] or "–",
            item["format"],
            f"{item['encoding']}, {item['non_ascii_bytes']:,} non-ASCII bytes",
            item["scheme"],
            f"{item['documents']:,}" if item["documents"] else "not marked",
            f"{item['sentences']:,}",
            f"{item['tokens']:,}",
            f"{sum(item['entities'].values()):,}",
        )
        for item in report["inputs"]
    ]
    head = "file|part|format|encoding|scheme|documents|sentences|tokens|entities"
    hashes = "\n".join(
        f"- {code(item['name'])}: {item['bytes']:,} bytes, sha256 `{item['sha256']}`"
        for item in report["inputs"]
    )
    return f"## Inputs\n\n{MARKDOWN.table(rows, head.split('|'))}\n\n{hashes}"


def _render_parts(report: Report) -> str:
    rows = []
    for name, part in report["parts"].items():
        median, high, longest = find_quantiles(part["lengths"])
        counts = [part[key] for key in ("docs", "sentences", "tokens")]
        counts += [sum(part["entities"].values()), median, high, longest]
        rows.append((code(name), *(f"{n:,}" for n in counts)))
    head = "part|docs|sentences|tokens|entities|words a sentence: median|95 %|longest"
    parts = list(report["parts"].values())
    labels = sorted({label for part in parts for label in part["entities"]})
    label_rows = []
    for label in labels:
        counts = [part["entities"].get(label, 0) for part in parts]
        label_rows.append((code(label), *(f"{n:,}" for n in counts), f"{sum(counts):,}"))
    names = [code(name) for name in report["parts"]]
    return (
        f"## Parts\n\n{MARKDOWN.table(rows, head.split('|'))}\n\n"
        f"## Entities\n\n{MARKDOWN.table(label_rows, ['label', *names, 'all'])}"
    )


def _render_picture(picture: str | None) -> str:
    if picture is None:
        return ""
    if not picture:
        return f"No picture: matplotlib is not installed. Run `{install_extra('plots')}`."
    return f"![Entities per label, words per sentence]({picture})"


def _render_repeats(report: Report) -> str:
    found = report["repeats"]
    left_out = f", {found['leaks_left_out']:,} of them left out" if found["leaks"] else ""
    return (
        "## Repeats and leaks\n\n"
        f"- sentences that repeat an earlier one: {found['sentences']:,}\n"
        f"- sentences that are also in a later part: {found['leaks']:,}{left_out}\n"
        f"- sentences in no part (leaks and limits): {found['sentences_left_out']:,}"
    )


def _render_tokenizer(report: Report) -> str:
    found = report["tokenizer"]
    head = "## Raw text and spaCy's tokenizer"
    if found["kept_share"] is None:
        return f"{head}\n\nThe borders of entities were not checked."
    lines = [
        head,
        "",
        f"In the written text, the tokenizer for `{found['lang']}` keeps the borders of "
        f"{found['entities'] - found['cut']:,} of {found['entities']:,} entities "
        f"({found['kept_share']:.2%}).",
    ]
    if found["cut"]:
        tokens = ", ".join(f"{code(token)} {n:,}" for token, n in found["tokens"].items())
        lines += [
            "",
            f"Of the others, {found['cut_by_full_stop']:,} end before a full stop that the "
            "tokenizer keeps with them, as in abbreviations. Most frequent tokens with a border "
            f"inside: {tokens}.",
        ]
    return "\n".join(lines)


def _render_encoder(report: Report) -> str:
    found = report["encoder"]
    if found is None:
        return "## Encoder\n\nNot checked. To check it, set `encoder` to its folder."
    return (
        "## Encoder\n\n"
        f"- words without a wordpiece: {found['words_without_piece']:,} "
        f"({found['distinct_words_without_piece']:,} distinct)\n"
        f"- sentences of more than {found['window']:,} pieces: "
        f"{found['sentences_longer_than_window']:,}\n"
        f"- pieces of a word in lower case, on average: {found['pieces_per_plain_word']:.2f}"
    )


def _render_findings(report: Report) -> str:
    lines = ["## Findings", ""]
    for note in report["findings"]:
        lines.append(f"- **{note['count']:,} ×** {note['text']}")
        lines += [f"    - {code(place)}" for place in note["places"]]
        if note["places"] and note["count"] > len(note["places"]):
            lines.append("    - …")
    return "\n".join(lines) if report["findings"] else "## Findings\n\nNone."


def _render_settings(report: Report) -> str:
    rows = [(code(name), code(value)) for name, value in report["settings"].items()]
    version = report["spacy_bert_ner"]
    return (
        f"## Settings\n\nspacy-bert-ner {version}\n\n{MARKDOWN.table(rows, ['setting', 'value'])}"
    )


def find_quantiles(lengths: dict[str, int]) -> tuple[int, int, int]:
    """Find median, 95th percentile and maximum of a histogram.

    lengths (dict[str, int]): Length, as JSON key → how often.
    RETURNS (tuple[int, int, int]): Zeros if there is nothing.

    EXAMPLE:
        >>> find_quantiles({"1": 3, "7": 2})
        (1, 7, 7)
    """
    found: list[int] = []
    total, seen, length = sum(lengths.values()), 0, 0
    for length in sorted(map(int, lengths)):
        seen += lengths[str(length)]
        while len(found) < 2 and seen >= (0.5, 0.95)[len(found)] * total:
            found.append(length)
    return (found[0], found[1], length) if found else (0, 0, 0)
