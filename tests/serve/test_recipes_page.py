"""The Python of docs/serving.md runs, wherever its package is installed."""

import asyncio
import re
from pathlib import Path

import pytest
from support.pipelines import DATA

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf8")
BLOCKS = {
    re.search(r"(?:import|from) (\w+)", text)[1]: text
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
TEXTS = [DATA[0][0], "London is big"]


@pytest.fixture
def names(request, trained, monkeypatch):
    """What a block defines; its model is the tiny one."""
    pytest.importorskip(request.param)
    monkeypatch.setattr("spacy_bert_ner.load", lambda name: trained)
    monkeypatch.setattr("spacy_bert_ner.interop.presidio.load", lambda name: trained, raising=False)
    found = {"__name__": "recipe"}
    exec(BLOCKS[request.param], found)
    return found


def list_expected(nlp):
    return [[(ent.text, ent.label_) for ent in nlp(text).ents] for text in TEXTS]


def cut(rows):
    return [[tuple(entity[:2]) for entity in row] for row in rows]


def test_every_recipe_is_tested():
    assert set(BLOCKS) == {"presidio_analyzer", "litserve", "kserve", "bentoml"}


@pytest.mark.parametrize("names", ["presidio_analyzer"], indirect=True)
def test_presidio(names, capsys):
    assert {"PERSON", "LOCATION"} <= {
        found.entity_type for found in names["analyzer"].analyze(TEXTS[0], language="en")
    }


@pytest.mark.parametrize("names", ["litserve"], indirect=True)
def test_litserve(names, trained):
    api = names["Ner"](max_batch_size=64, batch_timeout=0.003)
    api.setup("cpu")
    outputs = api.predict([api.decode_request({"text": text}) for text in TEXTS])
    assert cut(api.encode_response(output)["entities"] for output in outputs) == list_expected(
        trained
    )


@pytest.mark.parametrize("names", ["kserve"], indirect=True)
def test_kserve(names, trained):
    found = names["Ner"]("ner").predict({"instances": TEXTS})
    if asyncio.iscoroutine(found):
        found = asyncio.run(found)
    assert cut(found["predictions"]) == list_expected(trained)


@pytest.mark.parametrize("names", ["bentoml"], indirect=True)
def test_bentoml(names, trained):
    assert cut(names["Ner"].inner().predict(TEXTS)) == list_expected(trained)
