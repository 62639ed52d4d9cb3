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
from support.samples import json_lines, write

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
MIRA, ORBITEX, GRAZ = ("Mira", "PER"), ("Orbitex", "ORG"), ("Graz", "LOC")


def read_docs(path, notes=None, **options):
    """The docs of a file: text and entities of each."""
    docs = {}
    for i, sentence in enumerate(open_data(path, **options).sentences(notes)):
        docs.setdefault((sentence.document, 0 if sentence.document else i), []).append(sentence)
    found = [doc_data_to_doc(sentences_to_doc_data(s, spacer=None), Vocab()) for s in docs.values()]
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in found]


def find_entities(path, notes=None, **options):
    return [ents for _, ents in read_docs(path, notes, **options)]


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


def test_offsets_in_utf16_units_are_told():
    notes = Notes()
    find_entities(CASES / "S04-doccano-utf16.jsonl", notes)
    assert notes.count("utf16-offsets") == 1
    assert notes.count("cut-token") == 0
    assert "UTF-16" in open_data(CASES / "S04-doccano-utf16.jsonl").how


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


def test_other_labels_of_a_region_are_told():
    notes = Notes()
    find_entities(CASES / "S06-ls-several-labels.json", notes)
    places = notes.kinds["several-labels"].places
    assert places == ["S06-ls-several-labels.json#1 PER kept, VIP lost"]


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


@pytest.mark.parametrize("keys", [("document", "annotation"), ("text", "entity_list")])
def test_other_names_of_text_and_spans(tmp_path, keys):
    span = {"start": 0, "end": 4, "label": "PER", "text": "Mira"}
    records = [{keys[0]: "Mira works.", keys[1]: [span], "label": "news"}]
    assert find_entities(write(tmp_path, json.dumps(records))) == [[MIRA]]


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
        ('{"tokens": ["a"], "ner_tags": ["O", "O"]}', "lists of 1 in 'tokens' and of 2"),
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


def test_numbers_as_tags_need_names(tmp_path):
    path = write(tmp_path, json_lines([{"words": ["Mira", "works"], "labels": [1, 0]}]))
    with pytest.raises(FormatError, match="with `tag_names`, such as O,B-PER,I-PER"):
        find_entities(path)
    assert find_entities(path, tag_names=["O", "B-PER"]) == [[MIRA]]
    with pytest.raises(FormatError, match="expected at most 0: `tag_names` has 1 names"):
        find_entities(path, tag_names=["O"])


def test_a_table_of_columns(tmp_path):
    table = {"tokens": [["Mira"], ["in", "Graz"]], "ner_tags": [["B-PER"], ["O", "B-LOC"]]}
    assert find_entities(write(tmp_path, json.dumps(table))) == [[MIRA], [GRAZ]]


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
