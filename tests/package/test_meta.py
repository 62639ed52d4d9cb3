"""What the meta of a packaged model says."""

import json

import pytest
import spacy
from spacy.cli.package import generate_readme
from support.evaluations import make_ruler, write_data

from spacy_bert_ner.package.meta import make_model_meta, read_model_meta
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


LEAVES = (
    *(f"words.micro.{key}" for key in "prf"),
    *(f"text.spacy.{key}" for key in "prf"),
    *(f"words.labels.geo.{key}" for key in "prf"),
    *("words.labels", "words.certainty", "words", "text", "data", "tokens"),
    *("tokens.accuracy", "data.n_sentences"),
)


def write_records(folder, scores):
    records = {"scores": scores, "lock": LOCK, "data": DATA}
    paths = {name: folder / f"{name}.json" for name in records}
    for name, path in paths.items():
        path.write_text(json.dumps(records[name]), encoding="utf8")
    return paths


def change(value, place, new):
    """The same without the entry at a place; with another one unless that is None."""
    key, _, rest = place.partition(".")
    if rest:
        return {**value, key: change(value[key], rest, new)}
    others = {name: inner for name, inner in value.items() if name != key}
    return others if new is None else {**others, key: new}


def test_records_are_read_as_they_were_written(scores, tmp_path):
    meta = read_model_meta(**write_records(tmp_path, scores))
    assert meta == make_model_meta(scores=scores, lock=LOCK, data=DATA)


@pytest.mark.parametrize("new", [None, "x", [1]])
@pytest.mark.parametrize("place", LEAVES)
def test_incomplete_scores_are_one_sentence(scores, tmp_path, place, new):
    scores = {**scores, "words": {**scores["words"], "certainty": {"ece": 0.1}}}
    paths = write_records(tmp_path, change(scores, place, new))
    with pytest.raises(ValueError, match=r"scores\.json: found .*, expected .*Run the step"):
        read_model_meta(**paths)


def test_a_missing_calibration_error_is_named(scores, tmp_path):
    scores = {**scores, "words": {**scores["words"], "certainty": {"n": 1}}}
    with pytest.raises(ValueError, match=r"found \{'n': 1\} as words\.certainty, expected .* ece"):
        read_model_meta(**write_records(tmp_path, scores))


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"name": 3}', "\xff\xfe"])
@pytest.mark.parametrize("name", ["scores", "lock", "data"])
def test_a_damaged_record_is_named(scores, tmp_path, name, text):
    paths = write_records(tmp_path, scores)
    paths[name].unlink()
    if text is not None:
        paths[name].write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"{name}\.json: (found|not|no such)") as error:
        read_model_meta(**paths)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["name", "license", "source"])
def test_an_incomplete_lock_is_named(scores, tmp_path, key):
    paths = write_records(tmp_path, scores)
    paths["lock"].write_text(json.dumps(change(LOCK, key, None)))
    with pytest.raises(ValueError, match=rf"lock\.json: found no {key}, expected"):
        read_model_meta(**paths)
