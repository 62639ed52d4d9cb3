"""Every public name is an entry point that resolves."""

from configparser import ConfigParser
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import spacy_bert_ner

CONFIG = ConfigParser()
CONFIG.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf8")
NAMES = [
    (group, line.split("=")[0].strip())
    for group, lines in CONFIG["options.entry_points"].items()
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_entry_point_resolves(group, name):
    (entry_point,) = entry_points(group=group, name=name)
    assert entry_point.module.startswith("spacy_bert_ner.")
    assert entry_point.load() is not None


def test_version_stands_in_one_place():
    assert spacy_bert_ner.__version__ == version("spacy-bert-ner") == CONFIG["metadata"]["version"]
