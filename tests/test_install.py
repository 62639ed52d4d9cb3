"""The install lines: nothing that pip could take from another project of our name."""

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from spacy_bert_ner.install import (
    install_extra,
    install_packages,
    install_wheels,
    list_requirements,
)

ROOT = Path(__file__).parent.parent
PLUGIN_WHEEL = Path("out/spacy_bert_ner-0.1.0-py3-none-any.whl")
MODEL_WHEEL = Path("out/a folder/en_x-0.1.0-py3-none-any.whl")


@pytest.mark.parametrize("extra", ["plots", "parquet", "tensorboard", "cuda12x", "cuda13x"])
def test_an_extra_is_installed_by_the_names_of_its_packages(extra):
    command = install_extra(extra)
    needs = [Requirement(text) for text in requires("spacy-bert-ner")]
    (name,) = (need.name for need in needs if f'extra == "{extra}"' in str(need.marker))
    assert re.fullmatch(rf"pip install '{name}(\[\w+\])?>=[\d.]+'", command)
    assert "spacy-bert-ner" not in command


def test_an_unknown_extra_has_no_command():
    assert install_extra("no-such-extra") == ""
    names = {need.name for need in list_requirements()}
    assert {"spacy", "torch"} <= names and "matplotlib" not in names


def test_the_plugin_is_never_taken_from_an_index():
    for name in ("spacy-bert-ner", "spacy_bert_ner", "Spacy.Bert-NER"):
        text = install_packages(["torch>=2.10", f"{name}>=0.2"])
        assert text.startswith("pip install 'torch>=2.10', and spacy-bert-ner from the wheel")
        assert install_packages([f"{name}>=0.2"]).startswith("spacy-bert-ner from the wheel")


def test_wheels_are_named_as_files():
    both = install_wheels([PLUGIN_WHEEL, MODEL_WHEEL])
    assert both == f"pip install {PLUGIN_WHEEL} '{MODEL_WHEEL}'"
    assert install_wheels([MODEL_WHEEL]) == f"pip install --no-index '{MODEL_WHEEL}'"


def test_no_text_of_ours_installs_our_name_from_an_index():
    """Every install line in the sources, the docs and the files of the project."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.yml")]
    files += [*ROOT.glob("spacy_bert_ner/**/*.py"), *ROOT.glob("scripts/*.py")]
    line = re.compile(r"pip3? install[^`\n]*")
    wrong = re.compile(
        r"(?<![\w/.])spacy[-_]bert[-_]ner(?![\w-]*\S*\.whl)(\[|\b)|\ben_kaggle_ner\b"
    )
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        for match in line.finditer(path.read_text("utf8"))
        if wrong.search(match[0])
    ]
    assert found == []
