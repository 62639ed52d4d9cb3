"""Several annotators, several annotations and binary answers of one text."""

import json
from pathlib import Path

import pytest
from spacy.vocab import Vocab
from support.samples import find_entities, json_lines, write

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
MIRA, GRAZ = ("Mira", "PER"), ("Graz", "LOC")


def test_binary_answers_leave_other_words_missing():
    notes = Notes()
    (sentence,) = open_data(CASES / "S05-prodigy-binary.jsonl").sentences(notes)
    assert [sentence.words[i] for i in sentence.missing] == ["Mira", "met", "in", "."]
    assert notes.count("binary-answers") == 1
    assert notes.kinds["not-accepted"].places == ["S05-prodigy-binary.jsonl:3 reject"]
    doc = doc_data_to_doc(sentences_to_doc_data([sentence], spacer=None), Vocab())
    assert [token.ent_iob_ for token in doc] == ["", "", "B", "", "B", ""]


@pytest.mark.parametrize("mark", [{"_is_binary": True}, {"_view_id": "ner"}])
def test_marks_of_binary_answers(tmp_path, mark):
    task = {"text": "Mira is here", "spans": [{"start": 0, "end": 4, "label": "PER"}], **mark}
    (sentence,) = open_data(write(tmp_path, json_lines([task]))).sentences()
    assert sentence.missing == [1, 2]
    task["_view_id"] = "ner_manual"
    task["_is_binary"] = False
    (sentence,) = open_data(write(tmp_path, json_lines([task]))).sentences()
    assert sentence.missing == []


def test_annotators_are_compared_and_can_be_chosen(tmp_path):
    path, notes = CASES / "S14-two-annotators.jsonl", Notes()
    find_entities(path, notes)
    assert notes.count("several-annotations") == 1
    assert notes.kinds["annotators-differ"].places == [
        f"{path.name}:1 'Mira' PER, by a-x only",
        f"{path.name}:1 'Graz' LOC, by a-y only",
    ]
    notes = Notes()
    assert find_entities(path, notes, annotator="a-y") == [[GRAZ]]
    assert notes.kinds["other-annotator"].places == [f"{path.name}:1 a-x"]
    with pytest.raises(FormatError, match=r"no record of the annotator 'b', expected .* a-x, a-y"):
        open_data(path, annotator="b")


def test_what_annotators_agree_on_is_counted(tmp_path):
    spans = [{"start": 0, "end": 4, "label": "PER"}, {"start": 8, "end": 12, "label": "LOC"}]
    tasks = [
        {"text": "Mira in Graz", "spans": spans[:n], "answer": "accept", "_session_id": name}
        for name, n in (("a", 2), ("b", 1), ("c", 2))
    ]
    other = {"text": "Graz", "spans": [], "answer": "accept", "_session_id": "a"}
    path, notes = write(tmp_path, json_lines([tasks[0], other, *tasks[1:], other])), Notes()
    # a text that one annotator saw twice is not annotated by several people
    assert sorted(find_entities(path, notes), key=len) == [[], [], [MIRA, GRAZ]]
    assert (notes.count("annotators-agree"), notes.count("annotators-differ")) == (3, 1)
    assert notes.count("several-annotations") == 2


def test_label_studio_annotators(tmp_path):
    def annotation(who, n, **more):
        value = {"start": 0, "end": 4, "text": "Mira", "labels": ["PER"]}
        return {"completed_by": who, "result": [{"type": "labels", "value": value}] * n, **more}

    task = {"data": {"text": "Mira"}}
    task["annotations"] = [annotation(1, 0), annotation({"email": "b@c.de"}, 1)]
    path = write(tmp_path, json.dumps([task]))
    assert find_entities(path) == [[]]
    assert find_entities(path, annotator="b@c.de") == [[MIRA]]
    task["annotations"][0]["was_cancelled"] = True
    assert find_entities(write(tmp_path, json.dumps([task]))) == [[MIRA]]
