"""Files as annotation tools and data sets write them, odd ones too: nothing wrong in silence."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from support import samples
from support.samples import find_entities, json_lines, read_docs, write

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
MIRA, ORBITEX, GRAZ = ("Mira", "PER"), ("Orbitex", "ORG"), ("Graz", "LOC")


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("S04-doccano-utf16.jsonl", [[MIRA, GRAZ], [("Jon", "PER"), ("Wien", "LOC")]]),
        ("S05-prodigy-binary.jsonl", [[("Jon", "PER"), GRAZ]]),
        ("S06-ls-several-labels.json", [[MIRA, ORBITEX]]),
        ("S07-ls-hypertextlabels.json", [[MIRA], [GRAZ]]),
        ("S08-ls-double-blank.json", [[("Graz,  Austria", "LOC")]]),
        ("S14-two-annotators.jsonl", [[MIRA]]),
        ("S15-ls-ground-truth.json", [[MIRA], [GRAZ]]),
        ("M08-doccano-list.json", [[MIRA, ORBITEX, GRAZ]]),
        ("M08b-prodigy-list.json", [[MIRA, ORBITEX]]),
        ("M09-train-data.json", [[MIRA, ORBITEX], [GRAZ]]),
        ("M10-ner-annotator.json", [[MIRA]]),
        ("M11-dataturks.json", [[("Mira", "Name"), ("Orbitex", "Company")]]),
        ("M12-hf-tokens.jsonl", [[MIRA, GRAZ]]),
        ("M13-kaggle-pii.json", [[("Mira Lind", "NAME_STUDENT")]]),
    ],
)
def test_case(name, entities):
    assert find_entities(CASES / name) == entities


def test_other_labels_of_a_region_are_told():
    notes = Notes()
    find_entities(CASES / "S06-ls-several-labels.json", notes)
    places = notes.kinds["several-labels"].places
    assert places == ["S06-ls-several-labels.json#1 PER kept, VIP lost"]


@pytest.mark.parametrize("keys", [("document", "annotation"), ("text", "entity_list")])
def test_other_names_of_text_and_spans(tmp_path, keys):
    span = {"start": 0, "end": 4, "label": "PER", "text": "Mira"}
    records = [{keys[0]: "Mira works.", keys[1]: [span], "label": "news"}]
    assert find_entities(write(tmp_path, json.dumps(records))) == [[MIRA]]


@pytest.mark.parametrize("label", [["positive"], ["Mira arbeitet."], "positive", []])
def test_labels_of_whole_texts_are_no_entities(tmp_path, label):
    span = {"text": "Mira works.", "label": []}
    path = write(tmp_path, json_lines([{"text": "Mira works.", "label": label}, span]))
    if label == []:
        assert find_entities(path) == [[], []]
        return
    with pytest.raises(FormatError, match="classification or translation project"):
        find_entities(path)


@pytest.mark.parametrize(
    "record",
    [
        {"assets": {"documents": [{"location": "a.txt", "entities": [{"regionOffset": 0}]}]}},
        {"annotatable": {"parts": ["s1v1"]}, "entities": [{"classId": "e_1", "offsets": []}]},
        {"File": "a.txt", "Line": 0, "Entities": [{"BeginOffset": 0, "EndOffset": 4}]},
    ],
)
def test_records_without_their_text_say_where_it_is(tmp_path, record):
    with pytest.raises(FormatError, match=r"text is missing.*\(Azure, tagtog, Amazon Comprehend\)"):
        find_entities(write(tmp_path, json_lines([record])))


def test_zero_width_characters_at_a_border_are_trimmed(tmp_path):
    text = "In \u200bGraz\ufeff now"
    values = [{"text": text, "label": [[3, 9, "LOC"]]}]
    notes = Notes()
    assert read_docs(write(tmp_path, json_lines(values)), notes) == [(text, [GRAZ])]
    assert notes.count("trimmed-span") == 1


@settings(max_examples=60, deadline=None)
@given(text=st.text("aB .\n", min_size=1, max_size=10), cuts=st.sets(st.integers(1, 9)))
def test_tokens_with_blanks_keep_the_text(tmp_path_factory, text, cuts):
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    tokens = [{"start": a, "end": b} for a, b in pairwise(edges)]
    path = tmp_path_factory.getbasetemp() / "tokens.jsonl"
    path.write_text(json_lines([{"text": text, "tokens": tokens, "spans": []}]))
    assert [doc for doc, _ in read_docs(path)] == [text]


def test_span_groups_are_kept(tmp_path):
    notes = Notes()
    sentences = list(open_data(CASES / "S09-span-group.spacy").sentences(notes))
    assert [len(sentence.groups["sc"]) for sentence in sentences] == [2, 2]
    vocab = Vocab()
    doc = Doc(vocab, ["Mira", "Lind", "left", "Graz"], sent_starts=[True, False, True, False])
    doc.spans["sc"] = [Span(doc, 0, 2, "PER"), Span(doc, 1, 3, "X"), Span(doc, 3, 4, "LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    parts = list(open_data(tmp_path / "a.spacy").sentences())
    whole = sentences_to_doc_data(parts, spacer=None)
    assert whole.groups == {"sc": [(0, 2, "PER"), (1, 3, "X"), (3, 4, "LOC")]}
    # a span that ends in another doc is lost
    assert sentences_to_doc_data(parts[:1], spacer=None).groups == {"sc": [(0, 2, "PER")]}


@pytest.mark.parametrize("name", samples.RECORD_FORMATS)
def test_every_form_of_records_gives_the_same(tmp_path, name):
    path = write(tmp_path, samples.RECORD_FORMATS[name])
    data, notes = open_data(path), Notes()
    assert name.startswith(data.format)
    sentences = list(data.sentences(notes))
    if name in ("hf-tokens", "spacy-training", "word-spans"):
        found = [(sentence.words, tags_to_spans(sentence.tags)) for sentence in sentences]
        assert found == samples.SENTENCES
        return
    docs = [doc_data_to_doc(sentences_to_doc_data([s], spacer=None), Vocab()) for s in sentences]
    spans = [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]
    assert list(zip([doc.text for doc in docs], spans, strict=True)) == samples.TEXTS
    assert set(notes.kinds) <= {"not-annotated"}
