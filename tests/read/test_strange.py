"""Files of other tools that were once read wrong in silence, or refused with bad advice."""

import bz2
import gzip
import json
import lzma
import zipfile
import zlib

import pytest
import srsly
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from support.samples import csv_text, find_entities, json_lines, read, write

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans


def test_iso_2022_is_no_utf8(tmp_path):
    path = write(tmp_path, "東京 B-LOC\nは O\n", encoding="iso2022_jp")
    with pytest.raises(FormatError, match="ISO-2022 text, expected UTF-8") as error:
        open_data(path)
    assert read(path, **error.value.advice[0])[0].words == ["東京", "は"]


def test_annotations_of_parts_of_words_are_counted(tmp_path):
    text = (
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|value\n\n\n#Text=Anna Oslo-based\n"
        "1-1\t0-4\tAnna\tPER\t\n1-2\t5-15\tOslo-based\t_\t\n1-2.1\t5-9\tOslo\tLOC\t\n"
    )
    notes = Notes()
    (sentence,) = read(write(tmp_path, text), notes)
    assert (sentence.words, sentence.tags) == (["Anna", "Oslo-based"], ["B-PER", "O"])
    assert notes.kinds["part-of-word"].places == ["data.txt:1-2.1 'Oslo' LOC"]


def test_clauses_are_no_entities(tmp_path):
    rows = "ไป\tVV\tO\tB_CLS\nกรุงเทพ\tNN\tB_LOC\tI_CLS\nแล้ว\tPU\tO\tE_CLS\n"
    (sentence,) = read(write(tmp_path, rows))
    assert tags_to_spans(sentence.tags) == [(1, 2, "LOC")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("123|t|Anna has flu\n123|a|It is bad.\n123\t9\t12\tflu\tDisease\tD1\n", "PubTator"),
        ('<DOC DOCNO="bc/1">\n<ENAMEX TYPE="PERSON">Anna</ENAMEX> left\n', "XML or HTML"),
        ('<?xml version="1.0"?>\n<s><PER>Anna</PER> left</s>\n', "XML or HTML"),
    ],
)
def test_other_formats_are_named(tmp_path, text, name):
    with pytest.raises(FormatError, match=f"line 1: {name}.*not read.*JSON lines"):
        open_data(write(tmp_path, text))
    assert read(write(tmp_path, "<s> O\nAnna B-PER\n"))[0].words == ["<s>", "Anna"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna/B-PER Bell/I-PER ate/O and/or/O\n", [(0, 2, "PER")]),
        ("Anna_B-PER Bell_I-PER ate_O ._O\n", [(0, 2, "PER")]),
        ("Anna/PERSON Bell/PERSON ate/O ./O\n", [(0, 2, "PERSON")]),
        ("当/o 希望工程/nt 救助/o\n中国/ns 在/o\n", [(1, 2, "nt")]),
    ],
)
def test_tags_behind_a_separator(tmp_path, text, expected):
    data = open_data(write(tmp_path, text))
    sentence = next(data.sentences())
    assert (data.format, tags_to_spans(sentence.tags)) == ("word-tag", expected)
    assert data.how.startswith("word")


@pytest.mark.parametrize(
    "text",
    [
        "The/at Fulton/np-tl said/vbd ./.\n",  # parts of speech
        "[PER Anna Bell] left .\n",
        "- I am [Anna](name) in [Oslo](city)\n",
        "version: '3.1'\nnlu:\n- intent: x\n  examples: |\n",
    ],
)
def test_text_without_tags_is_no_table(tmp_path, text):
    with pytest.raises(FormatError, match=r"no tag such as B-PER in column \d"):
        read(write(tmp_path, text))


def test_bare_labels_in_sentence_rows(tmp_path):
    path = write(tmp_path, "text,tags\nAnna Bell left Oslo,PER PER O LOC\n", "data.csv")
    (sentence,) = read(path, bare_labels=True)
    assert tags_to_spans(sentence.tags) == [(0, 2, "PER"), (3, 4, "LOC")]


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_numbers_of_columns_need_no_header(tmp_path, separator):
    rows = ["B-PER NN Anna", "O VB left", "", "B-PER NN Anna", "O VB ran", ""]
    path = write(tmp_path, "\n".join(rows).replace(" ", separator))
    sentences = read(path, columns={"word": "3", "tag": "1"})
    assert [sentence.words for sentence in sentences] == [["Anna", "left"], ["Anna", "ran"]]
    assert read(path, word_column=3, tag_column=1) == sentences


def test_numbers_of_columns_below_an_unusual_header(tmp_path):
    path = write(tmp_path, "Satz,Wort,Marke\n1,Anna,B-PER\n1,left,O\n2,Bob,B-PER\n", "data.csv")
    sentences = read(path, columns={"id": "1", "word": "2", "tag": "3"})
    assert [sentence.words for sentence in sentences] == [["Anna", "left"], ["Bob"]]


def make_doc(**options):
    return Doc(Vocab(), ["Anna", "Bell", "left", "Oslo"], **options)


def test_a_docbin_that_does_not_say_where_entities_begin(tmp_path):
    doc = make_doc(ents=["B-PER", "I-PER", "O", "B-LOC"])
    notes = Notes()
    data = DocBin(attrs=["ORTH", "ENT_TYPE"], docs=[doc]).to_bytes()
    (sentence,) = read(write(tmp_path, data, "a.spacy"), notes)
    assert tags_to_spans(sentence.tags) == [(0, 2, "PER"), (3, 4, "LOC")]
    assert (sentence.missing, notes.count("missing-annotation")) == ([2], 1)


def test_a_docbin_of_span_groups(tmp_path):
    doc = make_doc()
    doc.spans["sc"] = [Span(doc, 0, 2, "PER")]
    path = write(tmp_path, DocBin(docs=[doc]).to_bytes(), "a.spacy")
    with pytest.raises(ValueError, match=r"no entity.*copy the spans to `doc.ents` \(a.spacy#1 sc"):
        convert([path])


def test_a_docbin_without_the_name_of_a_label(tmp_path):
    data = DocBin(docs=[make_doc(ents=["B-PER", "I-PER", "O", "O"])]).to_bytes()
    values = srsly.msgpack_loads(zlib.decompress(data))
    values["strings"] = [string for string in values["strings"] if string != "PER"]
    data = zlib.compress(srsly.msgpack_dumps(values))
    with pytest.raises(FormatError, match=r"a.spacy: not a DocBin .*hash"):
        read(write(tmp_path, data, "a.spacy"))


@pytest.mark.parametrize("pack", [bz2, gzip, lzma])
def test_packed_files_within_and_of_any_format(tmp_path, pack):
    suffix = {"bz2": ".bz2", "gzip": ".gz", "lzma": ".xz"}[pack.__name__]
    data = DocBin(docs=[make_doc(ents=["B-PER", "I-PER", "O", "O"])]).to_bytes()
    packed = write(tmp_path, pack.compress(data), f"a.spacy{suffix}")
    assert read(packed)[0].tags == ["B-PER", "I-PER", "O", "O"]
    with zipfile.ZipFile(tmp_path / "A.ZIP", "w") as archive:
        archive.write(packed, f"x/{packed.name}")
        archive.writestr("b.conll", "Bob B-PER\n")
    assert read(f"{tmp_path}/A.ZIP:{packed.name}") == read(packed)


@pytest.mark.parametrize("tag", ["O", "I-PER"])
def test_a_hash_is_a_word_if_no_other_word_has_its_tag(tmp_path, tag):
    (sentence,) = read(write(tmp_path, f"-DOCSTART-\tO\n\n1\tB-PER\n2\tB-PER\n#\t{tag}\n"))
    assert sentence.words == ["1", "2", "#"]


@pytest.mark.parametrize("mark", [":", "/", "|", "\u2013", "\u2011", "\uff0d"])
def test_other_marks_between_prefix_and_label(tmp_path, mark):
    data = open_data(write(tmp_path, f"Anna B{mark}PER\nBell I{mark}PER\nleft O\n"))
    (sentence,) = data.sentences()
    assert tags_to_spans(sentence.tags) == [(0, 2, "PER")]
    assert f"prefixes such as in B{mark}PER" in data.how


def test_a_letter_of_another_script_is_shown(tmp_path):
    path = write(tmp_path, "Anna B-PER\nBell B-PER\nleft \u041e\n")
    with pytest.raises(FormatError, match=r"line 3: tag 'О' \('\\u041e'\), expected O"):
        read(path)
    with pytest.raises(FormatError, match=r"1 column \('Anna\\xa0B-PER'\)"):
        read(write(tmp_path, "Anna\xa0B-PER\n"))


def test_a_blank_line_after_each_word_is_a_finding(tmp_path):
    text = "Anna B-PER\nBell I-PER\nleft O\n\n" * 20
    (finding,) = [
        finding
        for finding in convert([write(tmp_path, text.replace("\n", "\r\r\n"))])["findings"]
        if finding["kind"] == "one-word-sentences"
    ]
    assert finding["count"] == 60
    kinds = {finding["kind"] for finding in convert([write(tmp_path, text)])["findings"]}
    assert "one-word-sentences" not in kinds


@pytest.mark.parametrize("unknown", [None, -100])
def test_words_that_training_ignores_are_missing(tmp_path, unknown):
    names = ["O", "B-PER"]
    record = {"tokens": ["[CLS]", "Anna", "left"], "ner_tags": [unknown, 1, 0]}
    notes = Notes()
    (sentence,) = read(write(tmp_path, json_lines([record])), notes, tag_names=names)
    assert (sentence.tags, sentence.missing) == (["O", "B-PER", "O"], [0])
    assert notes.count("missing-annotation") == 1


@pytest.mark.parametrize(
    ("spans", "key"),
    [
        ([["Anna", 0, 4, "PER"], [10, 14, "Oslo", "LOC"]], "entities"),
        ([[0, 4, "PER", "Anna"], ["LOC", 10, 14, "Oslo"]], "label"),
        ({"start": [0, 10], "end": [4, 14], "label": ["PER", "LOC"]}, "entities"),
    ],
)
def test_lists_of_spans_in_other_orders(tmp_path, spans, key):
    path = write(tmp_path, json_lines([{"text": "Anna left Oslo.", key: spans}]))
    assert find_entities(path) == [[("Anna", "PER"), ("Oslo", "LOC")]]


def test_a_span_whose_text_is_composed_otherwise(tmp_path):
    span = {"start": 0, "end": 4, "label": "LOC", "text": "Ko\u0308ln"}
    path = write(tmp_path, json_lines([{"text": "K\u00f6ln", "entities": [span]}]))
    assert find_entities(path) == [[("K\u00f6ln", "LOC")]]


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('"id": ' + "9" * 5_000, r"broken JSON \(Exceeds the limit"),
        ('"entities": []', r"broken JSON \(the key 'entities' comes twice in an object\)"),
    ],
)
def test_values_that_python_loses_or_cannot_read(tmp_path, as_list, more, message):
    text = '{"text": "Anna left", "entities": [[0, 4, "PER"]], %s}'
    text = f"[{text}]" if as_list else f"{text}\n"
    with pytest.raises(FormatError, match=f"data.txt, line 1: {message}"):
        read(write(tmp_path, text % more))


@pytest.mark.parametrize(
    "record",
    [
        {"text": "Anna left", "entities": [[0, 4, "PE\ud83d"]]},
        {"tokens": ["An\ud83d", "left"], "ner_tags": ["B-PER", "O"]},
        {"tokens": ["Anna", "left"], "ner_tags": ["B-PE\ud83d", "O"]},
    ],
)
def test_half_pairs_in_words_and_labels(tmp_path, record):
    path = write(tmp_path, f"{json.dumps(record)}\n" * 2)
    with pytest.raises(FormatError, match=r"2 faults.*\n  line 1: half a surrogate pair in '"):
        read(path)


SPAN = {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("label", json.dumps([SPAN])),
        ("label", '[[0, 4, "PER"]]'),
        ("entities", "[(0, 4, 'PER')]"),
        ("annotations", "{'entities': [(0, 4, 'PER')]}"),
        ("spans", "[{'label': 'PER', 'start': 0, 'end': 4}]"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spans_in_the_cells_of_a_table(tmp_path, name, cell, delimiter):
    rows = [["id", "text", name], ["1", "Oslo, 5\nUhr", "[]"], ["2", 'Anna "left"', cell]]
    path = write(tmp_path, csv_text(rows, delimiter), "data.csv")
    data = open_data(path)
    assert (data.format, data.how.partition(" as ")[0]) == ("text-rows", "cells are read")
    assert find_entities(path) == [[], [("Anna", "PER")]]
    assert [sentence.lines[0] for sentence in data.sentences()] == [2, 4]


def test_faults_in_a_table_of_texts(tmp_path):
    rows = [["text", "label", "annotator"]]
    rows += [[f"Anna {i % 200}", json.dumps([SPAN]), i // 200] for i in range(400)]
    path = write(tmp_path, csv_text([*rows, ["Bob", "[1"]]), "data.csv")
    with pytest.raises(FormatError, match=r"data.csv, line 402: 2 columns, expected 3"):
        read(path)
    notes = Notes()
    assert len(read(path, notes, skip_bad=True)) == 200
    assert (notes.count("several-annotations"), notes.count("skipped")) == (200, 1)
