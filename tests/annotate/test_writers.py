"""Each output format, read back with other code: the pipeline's entities and all fields."""

import json

import pytest
import spacy
from pyarrow import parquet
from spacy.tokens import DocBin
from support.annotating import TEXTS, here, make_records, model, run_job, write_lines
from support.pipelines import read_ents

from spacy_bert_ner.annotate.writers import OUTPUT_FORMATS, find_schema
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.schemes import tags_to_spans

__all__ = ["here", "model"]
MULTILINE = {"text": "London\n\nNew York is\tbig", "number": 8, "entities": "mine", "at": None}


@pytest.fixture
def annotated(model, tmp_path, here):
    """A function that annotates into one part and gives its file."""
    records = [*make_records(4), MULTILINE, {"text": "London", "odd": "\ud83d"}]
    data = write_lines(tmp_path / "a.jsonl", records)

    def run(to):
        state = run_job(model, [data], tmp_path / to, to=to, part_records=100)
        assert state.records == len(records)
        return tmp_path / to / "parts" / f"part-000000{OUTPUT_FORMATS[to]}"

    return run


@pytest.fixture
def expected(trained):
    return [read_ents(trained(text)) for text in (*TEXTS, MULTILINE["text"], "London")]


def read_pairs(entities):
    return [[(e["text"], e["label"]) for e in found] for found in entities]


def test_jsonl(annotated, expected):
    lines = [json.loads(line) for line in annotated("jsonl").read_text("utf8").splitlines()]
    assert read_pairs(line["entities"] for line in lines) == expected
    assert lines[4]["input_entities"] == "mine" and lines[4]["at"] is None
    assert lines[5]["odd"] == "\ud83d"


def test_parquet(annotated, expected):
    path = annotated("parquet")
    assert parquet.read_schema(path).equals(find_schema())
    rows = parquet.read_table(path).to_pylist()
    assert read_pairs(row["entities"] for row in rows) == expected
    assert json.loads(rows[4]["fields"]) == {
        key: value for key, value in MULTILINE.items() if key != "text"
    }
    for row in rows:
        for e in row["entities"]:
            assert row["text"][e["start"] : e["end"]] == e["text"] and 0 < e["score"] <= 1


def test_spacy(annotated, expected, trained):
    docs = list(DocBin().from_disk(annotated("spacy")).get_docs(spacy.blank("en").vocab))
    assert [read_ents(doc) for doc in docs] == expected
    assert docs[1].user_data["id"].endswith("a.jsonl:2")
    assert json.loads(docs[4].user_data["fields"])["entities"] == "mine"
    assert docs[0].ents[0]._.score == pytest.approx(trained(TEXTS[0]).ents[0]._.score)


@pytest.mark.parametrize("to", ["prodigy", "label-studio"])
def test_tools(to, annotated, expected):
    path = annotated(to)
    if to == "prodigy":
        tasks = [json.loads(line) for line in path.read_text("utf8").splitlines()]
        assert all("answer" not in task for task in tasks)
        assert tasks[4]["meta"]["number"] == 8 and tasks[4]["meta"]["id"].endswith(":5")
        found = [
            [(t["text"][s["start"] : s["end"]], s["label"]) for s in t["spans"]] for t in tasks
        ]
        scores = [s["score"] for t in tasks for s in t["spans"]]
    else:
        tasks = json.loads(path.read_text("utf8"))
        assert tasks[4]["data"]["number"] == 8 and tasks[4]["data"]["id"].endswith(":5")
        assert {task["predictions"][0]["model_version"] for task in tasks} == {"en_tiny-1.2.3"}
        regions = [task["predictions"][0]["result"] for task in tasks]
        found = [[(r["value"]["text"], *r["value"]["labels"]) for r in rs] for rs in regions]
        scores = [region["score"] for rs in regions for region in rs]
    assert found == expected
    assert scores and all(0 < score <= 1 for score in scores)


def test_conll(annotated, expected):
    path = annotated("conll")
    assert path.read_text("utf8").count("# id = ") == len(expected)
    found = []
    for sentence in open_data(path).sentences():
        words = sentence.words
        found.append(
            [(" ".join(words[a:b]), label) for a, b, label in tags_to_spans(sentence.tags)]
        )
    # an empty text has no words
    assert found == [ents for i, ents in enumerate(expected) if i != 2]


def test_conll_has_the_entities_of_a_span_group(model, tmp_path, here, expected):
    grouped = spacy.load(model, config={"components.ner.spans_key": "sc"})
    grouped.to_disk(tmp_path / "model")
    data = write_lines(tmp_path / "a.jsonl", make_records(4))
    run_job(tmp_path / "model", [data], tmp_path / "out", to="conll", part_records=100)
    sentences = open_data(next((tmp_path / "out/parts").iterdir())).sentences()
    found = [len(tags_to_spans(sentence.tags)) for sentence in sentences]
    assert found == [len(ents) for i, ents in enumerate(expected[:4]) if i != 2]
