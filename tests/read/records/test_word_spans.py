"""Entities that count words: as each tool writes them, and what is refused."""

import json

import pytest
from support.samples import json_lines, read, write

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans

WORDS = ["Mira", "Lind", "left", "Graz"]
FORMS = {
    "GLiNER": {"tokenized_text": WORDS, "ner": [[0, 1, "PER"], [3, 3, "LOC"]]},
    "SpERT": {
        "tokens": WORDS,
        "entities": [
            {"type": "PER", "start": 0, "end": 2},
            {"type": "LOC", "start": 3, "end": 4},
        ],
    },
    "W2NER": {
        "sentence": WORDS,
        "ner": [{"index": [0, 1], "type": "PER"}, {"index": [3], "type": "LOC"}],
    },
}


@pytest.mark.parametrize("tool", FORMS)
def test_entities_count_words_as_the_tool_does(tmp_path, tool):
    for text in (json.dumps([FORMS[tool]]), json_lines([FORMS[tool]])):
        (sentence,) = read(write(tmp_path, text))
        assert (sentence.words, sentence.spaces, sentence.is_text) == (WORDS, None, False)
        assert tags_to_spans(sentence.tags) == [(0, 2, "PER"), (3, 4, "LOC")]


@pytest.mark.parametrize("is_nested", [True, False])
def test_sentences_of_a_document_count_on(tmp_path, is_nested):
    spans = [[0, 1, "PER"], [3, 3, "LOC"]]
    ner = [[span] for span in spans] if is_nested else spans
    record = {"doc_key": "a", "sentences": [WORDS[:2], WORDS[2:]], "ner": ner}
    sentences = read(write(tmp_path, json_lines([record, record])))
    found = [(s.words, tags_to_spans(s.tags), s.document) for s in sentences]
    assert found[:2] == [(WORDS[:2], [(0, 2, "PER")], 1), (WORDS[2:], [(1, 2, "LOC")], 1)]
    assert [document for _, _, document in found] == [1, 1, 2, 2]


def test_nested_entities_are_counted(tmp_path):
    record = {"tokenized_text": WORDS, "ner": [[0, 0, "X"], [0, 1, "PER"]]}
    notes = Notes()
    (sentence,) = read(write(tmp_path, json_lines([record])), notes)
    assert tags_to_spans(sentence.tags) == [(0, 2, "PER")]
    assert notes.count("overlap") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ner": [[3, 4, "LOC"]]}, "entity LOC from word 3 to word 4 of 4, expected"),
        (
            {"ner": [{"type": "X", "start": 1, "end": 1}]},
            "an entity without words: start",
        ),
        ({"tokenized_text": ["Mira", ""], "ner": []}, "an empty word in 'tokenized_text'"),
    ],
)
def test_faults(tmp_path, change, message):
    good = {"tokenized_text": WORDS, "ner": [[0, 1, "PER"]]}
    path = write(tmp_path, json_lines([good, {**good, **change}]))
    with pytest.raises(FormatError, match=f"line 2: {message}"):
        read(path)
    assert len(read(path, skip_bad=True)) == 1
    assert "the end is the last word" in open_data(path).how
