"""JSON of every shape: lines, lists, objects that hold lists, columns; and what is broken."""

import json

import pytest
from support.samples import find_entities, json_lines, write

from spacy_bert_ner.read.sentence import FormatError, Notes

MIRA, GRAZ = ("Mira", "PER"), ("Graz", "LOC")


def test_shapes_of_json(tmp_path):
    record = ["Mira works.", {"entities": [[0, 4, "PER"]]}]
    for text in (
        json.dumps(record),
        json.dumps([record, record]),
        json.dumps(record, indent=2),
        "\n\n" + json.dumps([record], indent=2),
        json.dumps({"classes": ["PER"], "annotations": [record, None]}),
        json.dumps({"data": [record]}, indent=1),
        json.dumps({"text": record[0], **record[1]}, indent=1) * 2,
        json.dumps(["Mira works.", [[0, 4, "PER"]]]),
        "\ufeff" + json.dumps([record]),
    ):
        found = find_entities(write(tmp_path, text))
        assert found[0] == [MIRA], text


def test_rasa(tmp_path):
    entity = {"start": 0, "end": 4, "value": "Mira", "entity": "PER"}
    examples = [{"text": "Mira works.", "intent": "x", "entities": [entity]}]
    text = json.dumps({"rasa_nlu_data": {"common_examples": examples}})
    assert find_entities(write(tmp_path, text)) == [[MIRA]]


@pytest.mark.parametrize("tags", [[1, 0], ["B-PER", "O"]])
def test_rows_of_the_viewer_of_the_hub(tmp_path, tags):
    names = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    features = [
        {"feature_idx": 0, "name": "id", "type": {"dtype": "string", "_type": "Value"}},
        {"feature_idx": 1, "name": "ner_tags", "type": {"feature": names, "_type": "Sequence"}},
    ]
    row = {"id": "0", "tokens": ["Mira", "works"], "ner_tags": tags}
    rows = [{"row_idx": 0, "row": row, "truncated_cells": []}]
    text = json.dumps({"features": features, "rows": rows})
    assert find_entities(write(tmp_path, text)) == [[MIRA]]
    rows = [{"row_idx": 0, "row": {"text": "Mira", "entities": [[0, 4, "PER"]]}}]
    assert find_entities(write(tmp_path, json.dumps({"rows": rows}, indent=1))) == [[MIRA]]


def test_a_table_of_columns(tmp_path):
    table = {"tokens": [["Mira"], ["in", "Graz"]], "ner_tags": [["B-PER"], ["O", "B-LOC"]]}
    assert find_entities(write(tmp_path, json.dumps(table))) == [[MIRA], [GRAZ]]


def test_a_long_list_is_read_item_by_item(tmp_path):
    record = {"text": "Mira works. " * 50, "label": [[0, 4, "PER"]]}
    text = json.dumps([record] * 400, indent=2)
    assert len(find_entities(write(tmp_path, text))) == 400
    with pytest.raises(FormatError, match=r"line 3\d\d\d: broken JSON .*the file may be cut"):
        find_entities(write(tmp_path, text[: len(text) * 9 // 10]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"text": "a", "label": []},]', "broken JSON"),
        ('[{"text": "a", "label": []} {}]', "line 1: broken JSON .'{', expected ','"),
        ('[{"text": "a", "label": []}] x', "text after the end of the list"),
        ('{"a": 1}', r"records of an unknown kind \(keys a\)"),
        ('{"content": "Mira", "annotation": [{"label": [], "points": []}]}', None),
        ('{"tokens": ["a"], "ner_tags": ["O", "O"]}', "1 word in 'tokens' and 2 tags in"),
        ('{"tokens": ["a"], "ner_tags": ["X"]}', "X"),
        ('{"tokens": ["a"], "ner_tags": [1]}', "the number 1 as a tag, and no names"),
        ('{"tokens": ["a", ""], "ner_tags": ["O", "O"]}', "an empty word"),
        ('{"text": "a", "label": [[0, 1, 7]]}', "7 as 'label', expected the name of a label"),
    ],
)  # fmt: skip
def test_faults(tmp_path, text, message):
    if message is None:
        assert find_entities(write(tmp_path, text)) == [[]]
        return
    with pytest.raises(FormatError, match=message):
        find_entities(write(tmp_path, text))


def test_all_faults_are_told_at_once_or_left_out(tmp_path):
    good = {"text": "Mira works.", "label": [[0, 4, "PER"]]}
    bad = [{"text": "a", "label": [[0, 9, "X"]]}, {"text": 5, "label": []}]
    path = write(tmp_path, json_lines([good, *bad]) + "{\n" + json_lines([good]))
    with pytest.raises(FormatError) as error:
        find_entities(path)
    for text in ("3 faults", "line 2: span 0:9", "line 3: 5 as 'text'", "line 4: broken JSON"):
        assert text in str(error.value)
    notes = Notes()
    assert find_entities(path, notes, skip_bad=True) == [[MIRA], [MIRA]]
    assert notes.count("skipped") == 3
