"""Texts with character offsets: nothing of text or offsets is lost."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab
from support import samples
from support.samples import read, write

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans


@pytest.mark.parametrize("name", samples.TEXT_FORMATS)
def test_every_format_of_texts_keeps_text_and_offsets(tmp_path, name):
    notes = Notes()
    data = open_data(write(tmp_path, samples.TEXT_FORMATS[name]))
    assert name.startswith(data.format)
    found = []
    for sentence in data.sentences(notes):
        doc = doc_data_to_doc(sentences_to_doc_data([sentence], spacer=None), Vocab())
        spans = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
        found.append((doc.text, spans))
    assert found == samples.TEXTS
    assert notes.count("cut-token") == 0


def test_tokens_are_cut_at_entity_borders_and_listed(tmp_path):
    text = "x-rayed Sankt-Hans5"
    value = {"text": text, "spans": [{"start": 8, "end": 18, "label": "MISC"}]}
    notes = Notes()
    (sentence,) = read(write(tmp_path, samples.json_lines([value])), notes, format="prodigy")
    doc = sentences_to_doc_data([sentence], spacer=None)
    assert doc.text == text
    assert [doc.words[a:b] for a, b, _ in doc.spans] == [["Sankt", "-", "Hans"]]
    assert notes.kinds["cut-token"].places == ["data.txt:1 'Hans5'"]


def test_spans_that_do_not_fit_are_listed(tmp_path):
    spans = [(0, 4, "LOC"), (0, 9, "ORG"), (9, 12, "PER"), (4, 5, "LOC")]
    value = {"text": "Oslo Zoo Lee went", "spans": samples.as_dicts(spans), "answer": "accept"}
    notes = Notes()
    (sentence,) = read(write(tmp_path, samples.json_lines([value])), notes)
    assert tags_to_spans(sentence.tags) == [(0, 2, "ORG"), (2, 3, "PER")]
    assert notes.kinds["overlap"].places == ["data.txt:1 'Oslo' LOC"]
    assert notes.kinds["trimmed-span"].places == ["data.txt:1 'Oslo Zoo ' ORG"]
    assert notes.kinds["blank-span"].places == ["data.txt:1 LOC"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"text": "Oslo", "spans": [{"start": 0, "end": 9, "label": "A"}]}, "span 0:9 A in a text"),
        ({"text": "Oslo", "spans": [{"start": "0", "end": 4, "label": "A"}]}, "offsets start='0'"),
        ({"text": "Oslo", "spans": [{"start": 0, "end": 4}]}, "nothing as 'label'"),
        ({"text": "Oslo", "spans": 3}, "3 as 'spans', expected a list"),
        ({"text": 5, "spans": []}, "5 as 'text', expected a text"),
        ({"text": "\ud800", "spans": []}, "half a surrogate pair"),
    ],
)
def test_faults_of_annotation_tools(tmp_path, value, message):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": "a", "spans": []}) + "\n" + json.dumps(value))
    with pytest.raises(FormatError, match=f"line 2: {message}"):
        read(path)


def test_what_nobody_accepted_is_left_out_and_counted(tmp_path):
    notes = Notes()
    values = [{"text": "a", "spans": [], "answer": answer} for answer in ("accept", "reject")]
    assert len(read(write(tmp_path, samples.json_lines(values)), notes)) == 1
    assert notes.kinds["not-accepted"].places == ["data.txt:2 reject"]
    cancelled = {"was_cancelled": True, "result": []}
    tasks = [{"data": {"text": "a"}, "annotations": a} for a in ([], [cancelled], [{"result": []}])]
    assert len(read(write(tmp_path, json.dumps(tasks)), notes)) == 1
    assert notes.kinds["not-annotated"].places == ["data.txt#1", "data.txt#2"]


def test_label_studio_counts_utf16_units(tmp_path):
    value = {"start": 3, "end": 7, "text": "Oslo", "labels": ["LOC"]}
    task = {"data": {"note": "😀 Oslo"}, "annotations": [{"result": [{"value": value}]}]}
    (sentence,) = read(write(tmp_path, json.dumps([task])))
    assert tags_to_spans(sentence.tags) == [(1, 2, "LOC")]
    value["text"] = "Rome"
    with pytest.raises(FormatError, match="record 1: offsets 3:7 hold 'slo', expected 'Rome'"):
        read(write(tmp_path, json.dumps([task])))


def test_prodigy_tokens_are_kept_if_they_fit(tmp_path):
    tokens = [{"start": 0, "end": 8}, {"start": 9, "end": 12}]
    value = {"text": "New York won", "tokens": tokens, "spans": []}
    notes = Notes()
    assert read(write(tmp_path, samples.json_lines([value])), notes)[0].words == ["New York", "won"]
    tokens[1]["start"] = 10
    assert read(write(tmp_path, samples.json_lines([value])), notes)[0].words[0] == "New"
    assert notes.kinds["foreign-tokens"].places == ["data.txt:1"]


def test_other_faults_of_label_studio(tmp_path):
    with pytest.raises(FormatError, match="line 1: nothing as 'text', expected a text"):
        read(write(tmp_path, "{}"), format="label-studio")
    task = {"data": {"a": "x", "b": "y"}, "annotations": [{"result": []}]}
    with pytest.raises(FormatError, match="record 1: data fields a, b, expected one text"):
        read(write(tmp_path, json.dumps([task])))
    task = {"data": {"text": "Oslo"}, "annotations": [{"result": []}, {"result": []}]}
    notes = Notes()
    assert read(write(tmp_path, json.dumps([task])), notes)[0].words == ["Oslo"]
    assert notes.kinds["several-annotations"].places == ["data.txt#1"]


def test_an_empty_text_is_left_out_and_counted(tmp_path):
    values = [{"text": "", "spans": []}, {"text": "a", "spans": []}]
    notes = Notes()
    assert len(read(write(tmp_path, samples.json_lines(values)), notes)) == 1
    assert notes.kinds["empty-text"].places == ["data.txt:1"]


def test_a_tools_token_with_a_blank_is_cut_without_it(tmp_path):
    tokens = [{"start": 0, "end": 8}, {"start": 9, "end": 12}]
    spans = samples.as_dicts([(4, 8, "LOC")])
    value = {"text": "New York won", "tokens": tokens, "spans": spans}
    (sentence,) = read(write(tmp_path, samples.json_lines([value])))
    doc = sentences_to_doc_data([sentence], spacer=None)
    assert (doc.words, doc.text) == (["New", "York", "won"], "New York won")
    assert doc.spans == [(1, 2, "LOC")]


@settings(max_examples=100, deadline=None)
@given(
    text=st.text("aB. \n-'5😀", min_size=1, max_size=14),
    edges=st.lists(st.integers(0, 14), max_size=6),
)
def test_any_spans_keep_text_and_offsets(tmp_path_factory, text, edges):
    edges = sorted(min(edge, len(text)) for edge in edges)
    spans = [
        (a, b, "X") for a, b in zip(edges[::2], edges[1::2], strict=False) if text[a:b].strip()
    ]
    path = tmp_path_factory.getbasetemp() / "spans.jsonl"
    value = {"text": text, "spans": samples.as_dicts(spans)}
    path.write_text(samples.json_lines([value]))
    (sentence,) = read(path)
    doc = doc_data_to_doc(sentences_to_doc_data([sentence], spacer=None), Vocab())
    assert doc.text == text
    trimmed = []
    for a, b, label in spans:
        start = a + len(text[a:b]) - len(text[a:b].lstrip())
        trimmed.append((start, start + len(text[a:b].strip()), label))
    assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == trimmed
