"""Files of other tools that were once read wrong in silence, or refused with bad advice."""

import pytest
from support.samples import read, write

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
