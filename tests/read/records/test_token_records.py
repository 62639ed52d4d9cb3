"""Records of words and tags: keys, numbers as tags, texts, spaCy 2's training JSON."""

import json
from pathlib import Path

import pytest
from support.samples import find_entities, json_lines, read, read_docs, write

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.schemes import tags_to_spans

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
MIRA, GRAZ = ("Mira", "PER"), ("Graz", "LOC")


def test_numbers_as_tags_need_names(tmp_path):
    path = write(tmp_path, json_lines([{"words": ["Mira", "works"], "labels": [1, 0]}]))
    with pytest.raises(FormatError, match="with `tag_names`, such as O,B-PER,I-PER"):
        find_entities(path)
    assert find_entities(path, tag_names=["O", "B-PER"]) == [[MIRA]]
    with pytest.raises(FormatError, match="expected at most 0: `tag_names` has 1 names"):
        find_entities(path, tag_names=["O"])


def test_words_keep_their_text():
    (doc,) = read_docs(CASES / "M13-kaggle-pii.json")
    assert doc[0] == "Mira Lind\n\nwrites"


def test_words_are_found_in_their_text(tmp_path):
    value = {"tokens": ["Mira", "'s", "dog", "."], "ner_tags": ["B-PER", "O", "O", "O"]}
    value["text"] = "Mira's dog."
    assert read_docs(write(tmp_path, json_lines([value]))) == [("Mira's dog.", [MIRA])]


def test_spacy_2_training_json(tmp_path):
    tokens = [
        {"id": i, "orth": word, "ner": tag}
        for i, (word, tag) in enumerate([("Mira", "B-PER"), ("Lind", "L-PER"), ("x", "-")])
    ]
    sentences = [{"tokens": tokens}, {"tokens": [{"orth": "Graz", "ner": "U-LOC"}]}]
    value = [{"id": 0, "paragraphs": [{"raw": "", "sentences": sentences}]}]
    data = open_data(write(tmp_path, json.dumps(value)))
    first, second = data.sentences()
    assert data.format == "spacy-training"
    assert (first.tags, first.missing, second.tags) == (["B-PER", "L-PER", "O"], [2], ["U-LOC"])
    assert first.document == second.document == 1


@pytest.mark.parametrize(
    "record",
    [
        [["Mira", "in", "Graz"], ["B-PER", "O", "B-LOC"]],
        [["Mira", "B-PER"], ["in", "O"], ["Graz", "B-LOC"]],
    ],
)
def test_lists_of_words_and_tags(tmp_path, record):
    for text in (json.dumps([record, record], indent=1), json_lines([record])):
        assert find_entities(write(tmp_path, text))[0] == [MIRA, GRAZ]


@pytest.mark.parametrize(
    ("tags", "options"),
    [
        (["PER", "PER", "O"], {}),
        (["B_PER", "I_PER", "O"], {}),
        (["PER-B", "PER-I", "O"], {}),
        (["B-PER", "M-PER", "O"], {}),
        (["B", "I", "O"], {"label": "PER"}),
        (["PER", "PER", "O"], {"bare_labels": True}),
    ],
)
def test_tags_of_any_spelling(tmp_path, tags, options):
    records = [{"tokens": ["Mira", "Lind", "left"], "ner_tags": tags}] * 2
    (sentence, _) = read(write(tmp_path, json_lines(records)), **options)
    assert tags_to_spans(sentence.tags) == [(0, 2, "PER")]
