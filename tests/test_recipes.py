"""The blocks of docs/recipes.md: Python is run, settings are checked."""

import re
from pathlib import Path

import pytest
import spacy
from support.configs import read, resolve
from support.listening import make_nlp
from thinc.api import Config

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "recipes.md").read_text("utf8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
SETTINGS = [text for kind, text in BLOCKS if kind == "ini"]


def parse(text):
    """Read a block as a config, of which it holds the inner sections alone."""
    names = [name.split(".") for name in re.findall(r"^\[(.+)\]$", text, re.MULTILINE)]
    outer = {".".join(parts[:i]) for parts in names for i in range(1, len(parts))}
    outer -= {".".join(parts) for parts in names}
    head = "".join(f"[{name}]\n" for name in sorted(outer))
    return Config().from_str(head + text, interpolate=False)


def overlay(config, changes):
    """Put sections over those of a config; one with another function takes its place."""
    for name, value in changes.items():
        if not isinstance(value, dict):
            config[name] = value
            continue
        kinds = [key for key in value if key.startswith("@")]
        old = config.get(name) or {}
        if any(value[key] != old.get(key) for key in kinds):
            # What is not in the page stays where both have it: sublayers.
            old = {key: part for key, part in old.items() if isinstance(part, dict)}
        config[name] = old
        overlay(config[name], value)


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_fit_into_the_default_config(text):
    config = read(ROOT / "configs" / "config.cfg")
    overlay(config, parse(text))
    resolve(config)


def test_a_setting_that_does_not_exist_would_be_found():
    config = read(ROOT / "configs" / "config.cfg")
    overlay(config, {"training": {"optimizer": {"no_such_setting": 1}}})
    with pytest.raises(Exception, match="no_such_setting"):
        resolve(config)


@pytest.mark.parametrize("text", PYTHON)
def test_python_runs(text, get_encoder, monkeypatch, capsys):
    load = spacy.load
    trained = make_nlp(get_encoder(), n_steps=3)
    trained.rename_pipe("bert_ner", "ner")
    monkeypatch.setattr(
        spacy, "load", lambda name: trained if name == "en_kaggle_ner" else load(name)
    )
    exec(compile(text.replace("assets/encoder", str(get_encoder())), "recipes.md", "exec"), {})
    assert capsys.readouterr().out
