"""Parquet, Arrow, and folders as Hugging Face's `datasets` writes them."""

import bz2
import json
import sys
from pathlib import Path

import pytest

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.schemes import tags_to_spans

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import ipc, parquet  # noqa: E402

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
NAMES = ["O", "B-PER", "I-PER", "B-LOC"]
WORDS = [["Mira", "Lind", "left"], ["Graz"], []]
SPANS = [(["Mira", "Lind", "left"], [(0, 2, "PER")]), (["Graz"], [(0, 1, "LOC")])]


def make_table(*, names=True, as_numbers=True):
    tags = [[1, 2, 0], [3], []]
    if not as_numbers:
        tags = [[NAMES[i] for i in row] for row in tags]
    table = pyarrow.table({"id": ["0", "1", "2"], "tokens": WORDS, "ner_tags": tags})
    label = {"names": NAMES, "_type": "ClassLabel"}
    features = {"ner_tags": {"feature": label, "_type": "Sequence"}}
    facts = {"huggingface": json.dumps({"info": {"features": features}})}
    return table.replace_schema_metadata(facts if names else None)


def find_spans(path, **options):
    return [(s.words, tags_to_spans(s.tags)) for s in open_data(path, **options).sentences()]


def write_stream(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def test_parquet_with_the_names_of_its_tags(tmp_path):
    parquet.write_table(make_table(), tmp_path / "a.parquet")
    data = open_data(tmp_path / "a.parquet")
    assert (data.format, data.how) == ("parquet", "tags O, B-PER, I-PER, B-LOC")
    assert find_spans(tmp_path / "a.parquet") == SPANS
    report = convert([tmp_path / "a.parquet"], tmp_path / "a.spacy")
    assert report["parts"]["a"]["entities"] == {"LOC": 1, "PER": 1}


def test_numbers_without_names(tmp_path):
    parquet.write_table(make_table(names=False), tmp_path / "a.parquet")
    with pytest.raises(FormatError, match=r"a.parquet.* no names for the numbers.*`tag_names`"):
        find_spans(tmp_path / "a.parquet")
    assert find_spans(tmp_path / "a.parquet", tag_names=NAMES) == SPANS


def test_names_of_another_column_and_facts_of_other_programs(tmp_path):
    table, path = make_table(), tmp_path / "a.parquet"
    parquet.write_table(table.append_column("tags", table["ner_tags"]), path)
    assert find_spans(path) == SPANS
    renamed = table.rename_columns(["id", "tokens", "labels"])
    other = renamed.append_column("ner_tags", table["ner_tags"])
    parquet.write_table(other.replace_schema_metadata(table.schema.metadata), path)
    assert find_spans(path) == SPANS
    facts = {"info": {"features": {"labels": {"names": NAMES[::-1]}}}}
    for text in (json.dumps(facts), "[]", "{"):
        parquet.write_table(other.replace_schema_metadata({"huggingface": text}), path)
        with pytest.raises(FormatError, match="no names for the numbers"):
            find_spans(path)


def test_texts_as_tags(tmp_path):
    parquet.write_table(make_table(names=False, as_numbers=False), tmp_path / "a.parquet")
    assert find_spans(tmp_path / "a.parquet") == SPANS


def test_texts_with_spans(tmp_path):
    entities = [[{"start": 0, "end": 4, "label": "PER"}]]
    table = pyarrow.table({"text": ["Mira left"], "entities": entities})
    parquet.write_table(table, tmp_path / "a.parquet")
    expected = [(["Mira", "left"], [(0, 1, "PER")])]
    assert find_spans(tmp_path / "a.parquet") == expected
    packed = tmp_path / "a.parquet.bz2"
    packed.write_bytes(bz2.compress((tmp_path / "a.parquet").read_bytes()))
    assert find_spans(packed) == expected


def test_arrow_files(tmp_path):
    write_stream(tmp_path / "a.arrow", make_table())
    with ipc.new_file(tmp_path / "b.arrow", make_table().schema) as writer:
        writer.write_table(make_table())
    assert find_spans(tmp_path / "a.arrow") == find_spans(tmp_path / "b.arrow") == SPANS


def test_a_folder_of_a_dataset(tmp_path):
    write_stream(tmp_path / "data" / "train" / "data-00000-of-00001.arrow", make_table())
    write_stream(tmp_path / "data" / "train" / "cache-1.arrow", make_table(as_numbers=False))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    (tmp_path / "data" / "train" / "state.json").write_text(json.dumps(state))
    assert find_spans(tmp_path / "data" / "train") == SPANS
    (tmp_path / "data" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert find_spans(tmp_path / "data") == SPANS
    write_stream(tmp_path / "data" / "test" / "data-00000-of-00001.arrow", make_table())
    with pytest.raises(FormatError, match=r"a data set of the parts test, train.*data/test"):
        open_data(tmp_path / "data")


def test_a_folder_of_parquet_files(tmp_path):
    for i in range(2):
        parquet.write_table(make_table(), tmp_path / f"train-0000{i}-of-00002.parquet")
    assert find_spans(tmp_path) == SPANS * 2
    parquet.write_table(make_table(), tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(FormatError, match="files of test, train, expected those of one part"):
        open_data(tmp_path)


def test_a_damaged_file_and_missing_pyarrow(tmp_path, monkeypatch):
    with pytest.raises(FormatError, match=r"Parquet .*pyarrow cannot read .*as JSON lines"):
        open_data(CASES / "M21-parquet.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FormatError, match=r"needs the package pyarrow. Install it: pip install"):
        open_data(CASES / "M21-parquet.parquet")
