"""What the meta of a packaged model says."""

import pytest
import spacy
from spacy.cli.package import generate_readme
from support.evaluations import make_ruler, write_data

from spacy_bert_ner.package.wheels import make_model_meta
from spacy_bert_ner.report.report import evaluate

LOCK = {"name": "tiny", "license": "Apache-2.0", "source": "dir:tiny"}
DATA = {"name": "Corpus", "url": "https://example.org", "author": "A", "license": "ODbL-1.0"}


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """The results of a pipeline that is right once of three times."""
    folder = tmp_path_factory.mktemp("package")
    rows = [(["Oslo", "Rome", "Bob"], ["B-geo", "B-geo", "O"]), (["Bonn"], ["B-geo"])]
    data = write_data(folder / "test.spacy", rows)
    model = make_ruler(folder / "model", [("Oslo", "geo"), ("Bob", "per")])
    return evaluate(model, data, folder / "out")


def test_meta_names_sources_licences_and_scores(scores):
    meta = make_model_meta(scores=scores, lock=LOCK, data=DATA)
    assert "tiny fine-tuned on Corpus" in meta["description"]
    assert "(2 sentences)" in meta["description"]
    assert [source["license"] for source in meta["sources"]] == ["ODbL-1.0", "Apache-2.0"]
    assert meta["license"] == "Apache-2.0"
    performance = meta["performance"]
    assert [performance[f"ents_{key}"] for key in "prf"] == [0.5, 1 / 3, 0.4]
    assert performance["ents_per_type"]["geo"] == {"p": 1.0, "r": 1 / 3, "f": 0.5}
    assert performance["text_ents_f"] == scores["text"]["spacy"]["f"]
    assert performance["ents_ece"] is None
    assert performance["token_acc"] == 0.25


def test_the_model_card_has_the_numbers_of_the_report(scores):
    entries = make_model_meta(scores=scores, lock=LOCK, data=DATA)
    card = generate_readme({**spacy.blank("en").meta, **entries})
    assert "| `ENTS_F` | 40.00 |" in card
    assert "| `TOKEN_ACC` | 25.00 |" in card
