"""Results → `report.md`, the page without its examples."""

from collections.abc import Mapping
from pathlib import Path

from ..evaluate.counts import Scores
from .text import (
    code,
    format_decimal,
    format_interval,
    format_number,
    format_p_value,
    format_percent,
    format_signed,
    format_signed_interval,
    make_table,
)

PRF = ("P", "R", "F1")


def render_markdown(metrics: Scores, pictures: Mapping[str, Path]) -> str:
    """Render the report as a Markdown page.

    Labels and paths are shown as code, so that nothing in them is read as markup.

    metrics (Dict[str, Any]): The results.
    pictures (Mapping[str, Path]): Pictures next to the page, by name.
    RETURNS (str): The page.
    """
    sections = [
        _render_head(metrics),
        _render_comparison(metrics),
        _render_entities(metrics),
        *(f"![{name}]({path.with_suffix('.png').name})" for name, path in pictures.items()),
        _render_errors(metrics),
        _render_slices(metrics),
        _render_tools(metrics),
        _render_run(metrics),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _render_head(m: Scores) -> str:
    words, text, tokens = m["words"]["micro"], m["text"]["micro"], m["tokens"]
    interval = format_interval(m["words"]["intervals"].get("f"))
    return (
        f"# {code(m['model']['title'])}\n\n"
        f"F1 of entities: **{format_percent(words['f'])} %** on the corpus's words "
        f"(95 %: {interval}), **{format_percent(text['f'])} %** on raw text.\n\n"
        f"On {code(m['data']['path'])}: {format_number(m['data']['n_sentences'])} sentences, "
        f"{format_number(m['data']['n_words'])} words, "
        f"{format_number(m['data']['n_entities'])} entities.\n\n"
        f"Token accuracy, which is not comparable with F1: {format_percent(tokens['accuracy'])} % "
        f"({format_percent(tokens['accuracy_of_only_o'])} % if nothing is found)."
    )


def _render_comparison(m: Scores) -> str:
    if not m["comparison"]:
        return ""
    other = m["compared_with"]
    rows = [
        (
            title,
            format_percent(m[view]["micro"]["f"]),
            format_percent(other[view]["micro"]["f"]),
            format_signed(m["comparison"][view]["f_difference"]),
            format_signed_interval(m["comparison"][view]["interval"]),
            format_p_value(m["comparison"][view]["p_value"]),
        )
        for view, title in (("words", "the corpus's words"), ("text", "raw text"))
    ]
    head = ["", "F1 of A", "F1 of B", "A − B", "95 %", "p"]
    paths = f"A is {code(m['model']['path'])}, B is {code(other['model']['path'])}."
    return f"## Comparison\n\n{paths}\n\n{make_table(head, rows)}"


def _render_entities(m: Scores) -> str:
    words, text = m["words"], m["text"]
    intervals = words["intervals"].get("labels", {})
    whole = format_interval(words["intervals"].get("f"))
    support = format_number(words["micro"]["gold"])
    rows: list[tuple[str, ...]] = [
        ("all (micro)", *_cells(words["micro"]), whole, *_cells(text["micro"]), support)
    ]
    for label in sorted(words["labels"].keys() | text["labels"].keys()):
        ours, raw = words["labels"].get(label, {}), text["labels"].get(label, {})
        interval = format_interval(intervals.get(label))
        rows.append(
            (code(label), *_cells(ours), interval, *_cells(raw), format_number(ours.get("gold")))
        )
    rows += [
        (name, *_cells(words[name]), "", *_cells(text[name]), "") for name in ("macro", "weighted")
    ]
    head = ["label", *PRF, "95 % of F1", "raw P", "raw R", "raw F1", "gold"]
    return f"## Entities\n\n{make_table(head, rows)}"


def _render_errors(m: Scores) -> str:
    found = m["words"]["errors"]
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in found["kinds"].items())
    rows = [
        (_name(gold), _name(label), f"{n:,}")
        for gold, label, n in found["confusion"]
        if gold != label
    ]
    return f"## Errors\n\n{kinds}.\n\n{make_table(['gold', 'found', 'entities'], rows[:12])}"


def _name(label: str) -> str:
    return code(label) if label else "nothing"


def _render_slices(m: Scores) -> str:
    parts = {
        "entity in training": m["seen"],
        "words of the entity": m["entity_length"],
        "words of the sentence": m["sentence_length"],
        "way of writing": m["robustness"],
        "partial match": m["words"]["partial"],
    }
    tables = []
    for head, slices in parts.items():
        rows = [(name, *_cells(row)) for name, row in (slices or {}).items()]
        if rows:
            tables.append(make_table([head, *PRF], rows))
    return "## Scores by kind of entity\n\n" + "\n\n".join(tables)


def _render_tools(m: Scores) -> str:
    best = m["rules"]["best_tags"]
    rows = [
        (tool, *_cells(row), *(_cells(best["rules"][tool]) if best else ("–",) * 3))
        for tool, row in m["rules"]["decoded"]["rules"].items()
    ]
    rows.append(("spacy, on raw text", *_cells(m["text"]["spacy"]), "–", "–", "–"))
    head = ["", *PRF, *(f"{x}, each word's best tag" for x in PRF)]
    return f"## Scores by the rules of other tools\n\n{make_table(head, rows)}"


def _render_run(m: Scores) -> str:
    machine, speed, certainty = m["machine"], m["speed"], m["words"]["certainty"]
    packages = ", ".join(f"{name} {x}" for name, x in machine["packages"].items() if x)
    loss = "–" if m["loss"] is None else f"{m['loss']:.4f} nats a word"
    ece = "–" if certainty is None else f"{format_percent(certainty['ece'])} %"
    pieces = m["pieces"] or {}
    return (
        "## This run\n\n"
        f"- loss {loss}; calibration error {ece}; F1 over wordpieces "
        f"{format_percent(pieces.get('f'))} %\n"
        f"- {format_number(speed['words_per_second'])} words/s; one text at a time "
        f"{format_decimal(speed['ms_per_text'])} ms\n"
        f"- model {code(m['model']['path'])}, sha256 of its files `{m['model']['sha256']}`, seed "
        f"{m['model']['seed']}\n"
        f"- data sha256 `{m['data']['sha256']}`\n"
        f"- {machine['processor']}, {machine['cores']} cores, GPU {machine['gpu'] or 'none'}; "
        f"Python {machine['python']}, {packages}\n"
        f"- {m['started']}, in {m['seconds']} s; all numbers: `metrics.json`"
    )


def _cells(row: Mapping) -> tuple[str, str, str]:
    p, r, f = (format_percent(row.get(key)) for key in "prf")
    return p, r, f
