"""The class for tables: entities next to the other columns, and reasons for bad texts."""

import pickle

import pyarrow as pa
import pytest
from support.annotating import TEXTS, model
from support.pipelines import read_ents

from spacy_bert_ner.annotate.table import AddEntities

__all__ = ["model"]


def test_a_table_gets_entities_and_errors(trained, model):
    add = pickle.loads(pickle.dumps(AddEntities(model, text_field="body")))
    texts = [*TEXTS, None, "a" * 1_000_001]
    table = pa.table({"n": range(len(texts)), "body": texts})
    found = add(table)
    assert found.select(["n", "body"]) == table
    for text, entities in zip(TEXTS, found["entities"].to_pylist(), strict=False):
        assert [(e["text"], e["label"]) for e in entities] == read_ents(trained(text))
    errors = found["error"].to_pylist()
    assert errors[:4] == [None] * 4 and found["entities"].to_pylist()[4:] == [None, None]
    assert "expected a text" in errors[4] and "1,000,001 characters" in errors[5]
    (batch,) = add.stream(table.to_batches())
    assert isinstance(batch, pa.RecordBatch) and batch.to_pylist() == found.to_pylist()


def test_columns_that_do_not_fit_are_an_error(model):
    with pytest.raises(ValueError, match="Columns body, expected 'text'"):
        AddEntities(model)(pa.table({"body": ["x"]}))
    with pytest.raises(ValueError, match="none called 'entities'"):
        AddEntities(model)(pa.table({"text": ["x"], "entities": [1]}))
