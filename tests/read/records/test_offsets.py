"""Offsets in characters or UTF-16 units, ends that are included or not, keys of any kind."""

import json
import re
from pathlib import Path

import pytest
from support.samples import find_entities, json_lines, write

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.records.countings import OTHER_COUNTINGS
from spacy_bert_ner.read.sentence import FormatError, Notes

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
MIRA, GRAZ = ("Mira", "PER"), ("Graz", "LOC")


def test_offsets_in_utf16_units_are_told():
    notes = Notes()
    find_entities(CASES / "S04-doccano-utf16.jsonl", notes)
    assert notes.count("offset-units") == 1
    assert notes.count("cut-token") == 0
    assert "UTF-16" in open_data(CASES / "S04-doccano-utf16.jsonl").how


@pytest.mark.parametrize("counting", [None, *OTHER_COUNTINGS], ids=str)
@pytest.mark.parametrize("has_text", [True, False])
def test_offsets_of_any_counting(tmp_path, counting, has_text):
    text = "😀 Zoë\r\nis é in\r\nGraz , Mira left Graz and"
    spans = [match.span() for match in re.finditer("Zoë|Graz|Mira", text)]
    values = []
    for start, end in spans:
        border = [start, end]
        if counting:
            border = [
                next(i for i in range(99) if counting.to_chars(text, i) == edge) for edge in border
            ]
            border[1] -= counting.includes_end
        item = {"start": border[0], "end": border[1], "label": "X"}
        values.append({**item, "text": text[start:end]} if has_text else item)
    expected = [[("Zoë", "X"), ("Graz", "X"), ("Mira", "X"), ("Graz", "X")]]
    path = write(tmp_path, json_lines([{"text": text, "entities": values}]))
    assert find_entities(path) == expected
    told = counting.name if counting and not has_text else ""
    assert open_data(path).how == (f"offsets count {told}" if told else "")


def test_label_studio_without_texts_counts_what_fits(tmp_path):
    value = {"start": 5, "end": 9, "labels": ["PER"]}
    task = {"data": {"text": "📉📰 Mira left"}, "annotations": [{"result": [{"value": value}]}]}
    path = write(tmp_path, json.dumps([task]))
    assert find_entities(path) == [[MIRA]]
    assert "UTF-16" in open_data(path).how


def test_offsets_in_characters_stay_so_among_emoji(tmp_path):
    values = [{"text": "📉📰 Mira is in Graz", "label": [[3, 7, "PER"], [14, 18, "LOC"]]}]
    notes = Notes()
    assert find_entities(write(tmp_path, json_lines(values)), notes) == [[MIRA, GRAZ]]
    assert notes.kinds == {}


def test_offsets_that_make_sense_both_ways_are_told(tmp_path):
    values = [{"text": "😀格拉茨在那里", "label": [[1, 4, "LOC"]]}]
    notes = Notes()
    assert find_entities(write(tmp_path, json_lines(values)), notes) == [[("格拉茨", "LOC")]]
    assert notes.count("doubtful-offsets") == 1


def test_a_first_pass_is_made_only_where_it_is_needed(tmp_path):
    plain = {"text": "Mira works.", "label": [[0, 4, "PER"]]}

    def count(path):
        data = open_data(path)
        return data.opened.read.args[4].annotators, find_entities(path), data.how

    path = write(tmp_path, json_lines([plain] * 3))
    assert count(path) == ({}, [[MIRA]] * 3, "")
    # characters of two UTF-16 units, as themselves or escaped, are found
    pair = {"text": "📉📰 Mira lives", "label": [[5, 9, "PER"]]}
    for text in (json_lines([plain, pair]), json.dumps(pair)):
        path = write(tmp_path, text)
        assert count(path)[1][-1] == [MIRA]
        assert "UTF-16" in count(path)[2]
    assert count(write(tmp_path, json_lines([{**plain, "annotator": 7}])))[0] == {"7": 1}


def test_hypertext_regions_without_global_offsets(tmp_path):
    path = {"start": "/text()[1]", "end": "/text()[1]", "startOffset": 0, "endOffset": 4}
    value = {**path, "text": "Mira", "hypertextlabels": ["PER"]}
    result = [{"type": "hypertextlabels", "value": value}]
    task = {"data": {"text": "Mira works."}, "annotations": [{"result": result}]}
    assert find_entities(write(tmp_path, json.dumps([task]))) == [[MIRA]]
    value["startOffset"], value["endOffset"] = 1, 5
    with pytest.raises(FormatError, match="offsets 1:5 hold 'ira ', expected 'Mira'"):
        find_entities(write(tmp_path, json.dumps([task])))


SPAN_OBJECTS = [
    {"span": [0, 4], "type": "PER"},
    {"span": "Mira", "type": "PER", "start": 0, "end": 4},
    {"start": 0, "end": 4, "entity": "PER", "word": "Mira"},
    {"start_idx": 0, "end_idx": 3, "type": "PER", "entity": "Mira"},
    {"begin": 0, "end": 4, "label": "PER"},
    {"offsets": [[0, 4]], "text": ["Mira"], "type": "PER"},
    {"start": 0, "end": 4, "value": "Mira", "entity": "PER"},
    {"beginOffset": 0, "endOffset": 4, "category": "PER"},
    {"pos": [0, 4], "tag": "PER"},
    {"start_offset": 0, "end_offset": 4, "label": "PER"},
    {"offset": 0, "length": 4, "category": "PER"},
    {"text": "Mira", "char_span": [0, 4], "type": "PER"},
    ["PER", 0, 4],
]


@pytest.mark.parametrize("span", SPAN_OBJECTS, ids=str)
@pytest.mark.parametrize("as_list", [True, False])
def test_span_objects_of_any_usual_form(tmp_path, span, as_list):
    values = [{"text": "Nobody.", "entities": []}, {"text": "Mira works.", "entities": [span]}]
    text = json.dumps(values, indent=1) if as_list else json_lines(values)
    assert find_entities(write(tmp_path, text)) == [[], [MIRA]]


def test_cluener_counts_the_last_character(tmp_path):
    label = {"name": {"叶老桂": [[9, 11]]}, "company": {"浙商银行": [[0, 3]]}}
    value = {"text": "浙商银行企业信贷部叶老桂博士", "label": label}
    ents = find_entities(write(tmp_path, json_lines([value])), lang="zh")
    assert ents == [[("浙商银行", "company"), ("叶老桂", "name")]]
