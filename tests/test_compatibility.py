"""Models saved by earlier versions: they load, and find the same."""

import json
import zipfile
from pathlib import Path

import pytest
import spacy

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("version", ["0.1.0"])
def test_a_model_of_an_earlier_version_finds_the_same(version, tmp_path):
    with zipfile.ZipFile(FIXTURES / f"model-{version}.zip") as archive:
        archive.extractall(tmp_path)
    expected = json.loads((FIXTURES / f"model-{version}.json").read_text(encoding="utf8"))
    nlp = spacy.load(tmp_path)
    docs = list(nlp.pipe(expected["texts"]))
    for doc, entities in zip(docs, expected["entities"], strict=True):
        assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == [
            tuple(entity[:3]) for entity in entities
        ]
        assert [e._.score for e in doc.ents] == pytest.approx([e[3] for e in entities], abs=1e-3)
    assert sum(map(len, expected["entities"])) >= 3
