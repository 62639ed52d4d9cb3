"""docs/settings.md: made from the docstrings, complete, up to date."""

import inspect
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf8")
FUNCTIONS = {
    name.strip(): target.strip()
    for group, lines in CONFIG["options.entry_points"].items()
    if group != "spacy_cli"
    for name, target in (line.split("=") for line in lines.strip().splitlines())
}


@pytest.fixture(scope="module")
def module():
    sys.path.insert(0, str(ROOT / "scripts"))
    yield import_module("describe_settings")
    sys.path.pop(0)


def test_page_is_up_to_date(module):
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf8")
    assert page == module.make_page(), "run `python scripts/describe_settings.py`"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_setting_is_described(module, name):
    module_name, function_name = FUNCTIONS[name].split(":")
    function = getattr(import_module(module_name), function_name)
    text = module.describe(name, function)
    parameters = set(inspect.signature(function).parameters) - {"nlp", "name"}
    missing = [parameter for parameter in parameters if f"| `{parameter}` |" not in text]
    assert not missing
    assert f"### `{name}`" in module.make_page()


def test_description(module):
    def make_thing(*, size: int = 3, is_big: bool = False, path: str | None = None):
        """Make a thing.

        Entry point: spacy-bert-ner.Thing.v1. It has a size.

        size (int): How much of it there is,
            in metres.
        is_big (bool): Whether it is big.
        path (str | None): Where it is.
        RETURNS (Thing): Not shown.
        """

    assert module.describe("spacy-bert-ner.Thing.v1", make_thing).split("\n") == [
        "### `spacy-bert-ner.Thing.v1`",
        "",
        "Make a thing.",
        "",
        "It has a size.",
        "",
        "| setting | type | default | what it does |",
        "| --- | --- | --- | --- |",
        "| `size` | int | `3` | How much of it there is, in metres. |",
        "| `is_big` | bool | `false` | Whether it is big. |",
        "| `path` | str or None | `null` | Where it is. |",
        "",
    ]
