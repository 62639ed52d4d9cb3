"""The docstrings of registered functions → docs/settings.md, with every setting."""

import inspect
import re
from collections.abc import Callable
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import typer
from wasabi import MarkdownRenderer, msg

ROOT = Path(__file__).parent.parent
INTRO = """# Settings

This page lists every function that the package registers, under the section of a config that uses
it, with its settings. `python scripts/describe_settings.py` makes it from the docstrings.
"""
# Where the functions of an entry point group are named in a config.
KINDS = {
    "spacy_factories": "Components (`factory`)",
    "spacy_architectures": "Models (`@architectures`)",
    "spacy_readers": "Corpora (`@readers`)",
    "spacy_augmenters": "Augmenters (`@augmenters`)",
    "spacy_batchers": "Batches (`@batchers`)",
    "thinc_optimizers": "Optimizers (`@optimizers`)",
    "thinc_schedules": "Learning rates (`@schedules`)",
    "thinc_losses": "Losses (`@losses`)",
    "spacy_loggers": "Loggers (`@loggers`)",
    "spacy_callbacks": "Callbacks (`@callbacks`)",
    "spacy_scorers": "Scorers (`@scorers`)",
    "spacy_misc": "Other (`@misc`)",
}
_SECTION = re.compile(r"^(RETURNS|YIELDS|RAISES|EXAMPLE)\b", re.MULTILINE)
# "name (type): text" or "name, name: text"; further lines are indented.
_ARGUMENT = re.compile(r"^(\w+(?:, \w+)*)(?: \((.*)\))?: (.*(?:\n[ ]+.*)*)", re.MULTILINE)


def main(output: Path = ROOT / "docs" / "settings.md") -> None:
    """Write the page."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(make_page(), encoding="utf8")
    msg.good(f"{output}")


def make_page() -> str:
    """Make the page from the entry points in setup.cfg.

    RETURNS (str): Markdown.
    """
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf8")
    groups = config["options.entry_points"]
    parts = [INTRO]
    for group, title in KINDS.items():
        lines = groups.get(group, "").strip().splitlines()
        if lines:
            parts.append(f"## {title}\n")
        for line in sorted(lines):
            name, target = (part.strip() for part in line.split("=", 1))
            module, function = target.split(":")
            parts.append(describe(name, getattr(import_module(module), function)))
    return "\n".join(parts)


def describe(name: str, function: Callable) -> str:
    """Describe one function.

    name (str): Its registered name.
    function (Callable): The function.
    RETURNS (str): Its heading, its text, and a table of its settings.
    """
    text = inspect.getdoc(function) or ""
    match = _SECTION.search(text)
    text = text[: match.start()] if match else text
    parameters = inspect.signature(function).parameters
    texts: dict[str, tuple[str, str]] = {}
    prose_end = len(text)
    for found in _ARGUMENT.finditer(text):
        names = found[1].split(", ")
        if parameters.keys() >= set(names):
            texts |= dict.fromkeys(names, (found[2] or "", found[3]))
            prose_end = min(prose_end, found.start())
    prose = re.sub(r"Entry point: \S+\.(?=\s|$)\s*", "", text[:prose_end])
    parts = [f"### `{name}`\n", prose.strip() + "\n"]
    rows: list[tuple[str, ...]] = []
    for parameter in parameters.values():
        if parameter.name in texts:
            kind, what = texts[parameter.name]
            is_open = parameter.default is inspect.Parameter.empty
            default = "" if is_open else f"`{show_default(parameter.default)}`"
            kind = kind.replace("|", "or")
            rows.append((f"`{parameter.name}`", kind, default, " ".join(what.split())))
    if rows:
        header = ("setting", "type", "default", "what it does")
        parts += [MarkdownRenderer().table(rows, header), ""]
    return "\n".join(parts)


def show_default(value: object) -> str:
    """Write a default as in a config.

    value (object): The value.
    RETURNS (str): JSON, for example `null` and `true`.
    """
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    typer.run(main)
