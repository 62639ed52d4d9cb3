"""Files of other tools that were once read wrong in silence, or refused with bad advice."""

import bz2
import gzip
import lzma
import zipfile
import zlib

import pytest
import srsly
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from support.samples import read, write

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
