"""Rows 1 to 29 of ACCEPTANCE.md: what bad input must get, one test each."""

import hashlib
import json
from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from support import samples
from support.samples import read, write
from typer.testing import CliRunner

from spacy_bert_ner.cli.main import bert_ner_cli
from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.columns.reader import EXCEL_ROWS
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.report.data_page import render_report

KAGGLE = Path(__file__).parents[2] / "assets" / "kaggle" / "ner_dataset.csv.zip"


def rows(*cells, header="Sentence #,Word,POS,Tag"):
    return header + "\r\n" + "".join(row + "\r\n" for row in cells)


def places(report, kind):
    (note,) = [note for note in report["findings"] if note["kind"] == kind]
    return note["count"], note["places"]


def run(*args):
    result = CliRunner().invoke(bert_ner_cli, list(map(str, args)))
    return result.exit_code, " ".join(result.output.split())


def test_row_01_missing_file(tmp_path):
    missing = tmp_path / "none.csv"
    with pytest.raises(FileNotFoundError, match=r"none.csv: no such file.*spacy project assets"):
        convert([missing], tmp_path / "corpus", settings=Conversion(split="80/20"))
    code, output = run("convert", "--dataset", "kaggle", "--data", missing, tmp_path / "corpus")
    assert code == 1
    assert "none.csv: not found" in output
    assert "git checkout -- assets/kaggle" in output
    assert "give its path as --data" in output


def test_row_02_truncated_or_wrong_file(tmp_path):
    data = samples.token_rows().encode()
    path = write(tmp_path, data, "ner_dataset.csv")
    code, output = run("convert", "--dataset", "kaggle", "--data", path, tmp_path / "corpus")
    assert code == 1
    assert f"{len(data):,} bytes with sha256 {hashlib.sha256(data).hexdigest()}" in output
    assert "expected 15,208,151 bytes with 83257dd94ed59596809dc9f5b28f1f035c9d" in output


def test_row_03_cp1252(tmp_path):
    text = rows("1,naïve,JJ,O", ",“Café”,NN,B-org", ",…,:,O")
    path = write(tmp_path, text.encode("cp1252"))
    report = convert([path])
    assert render_report(report).count("cp1252, 5 non-ASCII bytes") == 1
    assert read(path)[0].words == ["naïve", "“Café”", "…"]


def test_row_04_utf8_first(tmp_path):
    path = write(tmp_path, "à Prep O\nÅrhus N B-LOC\n\n")
    assert open_data(path).source.encoding == "utf-8"
    assert read(path)[0].words == ["à", "Århus"]


@pytest.mark.parametrize("text", samples.TOKEN_FORMATS.values())
def test_row_05_byte_order_mark(tmp_path, text):
    plain = read(write(tmp_path, text))
    assert read(write(tmp_path, b"\xef\xbb\xbf" + text.encode())) == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_row_06_utf16(tmp_path, encoding):
    path = write(tmp_path, samples.columns().encode(encoding))
    with pytest.raises(FormatError, match=r"text in UTF-16.*iconv -f utf-16 -t utf-8"):
        open_data(path)
    assert len(read(path, encoding=encoding)) == len(samples.SENTENCES)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", samples.TOKEN_FORMATS)
def test_row_07_line_ends(tmp_path, name, end):
    text = samples.TOKEN_FORMATS[name].replace("\r\n", "\n")
    plain = read(write(tmp_path, text))
    assert read(write(tmp_path, text.replace("\n", end))) == plain


def test_row_08_words_that_look_missing(tmp_path):
    words = ["None", "NA", "null", "nan", '"', '""', "N/A", "#N/A"]
    text = samples.csv_text([["Sentence #", "Word", "Tag"], *(["1", word, "O"] for word in words)])
    assert read(write(tmp_path, text))[0].words == words


def test_row_09_empty_word_cell(tmp_path):
    path = write(tmp_path, rows("1,Oslo,NN,B-geo", ",,NN,O"))
    with pytest.raises(
        FormatError, match=r"data.txt, line 3: the word is empty, expected one word"
    ):
        read(path)
    with pytest.raises(FormatError, match="line 2: the word is empty"):
        read(write(tmp_path, "Oslo\tX\tO\n\tX\tO\n"), format="conll")


def test_row_10_quotes_and_commas(tmp_path):
    path = write(tmp_path, rows('1,"""",``,O', ',"1,000",CD,O', ',"a ""b"", c",NN,B-art'))
    assert read(path)[0].words == ['"', "1,000", 'a "b", c']


def test_row_11_long_field_and_nul(tmp_path):
    path = write(tmp_path, rows("1,a,NN,O", f",{'x' * 140_000},NN,O"))
    with pytest.raises(FormatError, match=r"line 3: broken CSV: .* more than 131,072 char"):
        read(path)
    with pytest.raises(FormatError, match="line 3: a NUL byte, expected text"):
        read(write(tmp_path, rows("1,a,NN,O", ",b\0c,NN,O")))


@pytest.mark.parametrize("header", ["Sentence #,POS,Tag", "Sentence #,Wort,POS,Tag", "a,b,c,d"])
def test_row_12_missing_or_renamed_column(tmp_path, header):
    path = write(tmp_path, rows("1,a,NN,O", header=header), "data.csv")
    found = ", ".join(f"'{name}'" for name in header.split(","))
    with pytest.raises(FormatError) as error:
        read(path)
    assert f"line 1: columns {found}, expected a header with 'sentence #', 'word', 'tag'" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Unnamed: 0,Sentence #,Word,Tag", "0,1,Oslo,B-geo"),
        ("Tag,Word,Sentence #", "B-geo,Oslo,1"),
        ("sentence_id,TOKEN,ner", "1,Oslo,B-geo"),
    ],
)
def test_row_13_extra_columns_and_order(tmp_path, header, row):
    (sentence,) = read(write(tmp_path, rows(row, header=header)))
    assert (sentence.words, sentence.tags) == (["Oslo"], ["B-geo"])


def test_row_14_missing_and_returning_ids(tmp_path):
    with pytest.raises(FormatError, match="line 2: the first row has no sentence id"):
        read(write(tmp_path, rows(",Oslo,NN,B-geo", "1,is,VB,O")))
    notes = Notes()
    sentences = read(write(tmp_path, rows("1,a,X,O", "2,b,X,O", "1,c,X,O")), notes)
    assert [sentence.words for sentence in sentences] == [["a"], ["b"], ["c"]]
    assert notes.kinds["id-returns"].places == ["data.txt:4 '1'"]


def test_row_15_excel_limit(tmp_path):
    head, row = b"Sentence #,Word,POS,Tag\n1,a,X,B-geo\n", b",a,X,O\n"
    notes = Notes()
    read(write(tmp_path, head + row * (EXCEL_ROWS - 2)), notes)
    assert "1,048,576, the last that Excel keeps" in notes.kinds["excel-limit"].text
    notes = Notes()
    read(write(tmp_path, head + row * (EXCEL_ROWS - 3)), notes)
    assert notes.kinds == {}


def test_row_16_ragged_line(tmp_path):
    path = write(tmp_path, "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman B-NP B-MISC\n\n")
    with pytest.raises(FormatError, match="line 3: 3 columns, expected 4 as in most rows"):
        read(path)


def test_row_17_tabs_and_blanks_mixed(tmp_path):
    lines = "EU NNP\tB-ORG\nrejects\t \tVBZ O\nGerman  JJ\tB-MISC \n\n"
    assert read(write(tmp_path, lines))[0].words == ["EU", "rejects", "German"]
    assert read(write(tmp_path, "EU NNP\tB-ORG\nhas NN\tO\n\n"))[0].words == ["EU", "has"]


def test_row_18_word_with_a_blank(tmp_path):
    tabs = "New York\tB-LOC\nwon\tO\n\n"
    assert read(write(tmp_path, tabs))[0].words == ["New York", "won"]
    with pytest.raises(FormatError, match=r"line 2: 2 columns, expected 3.*needs tabs"):
        read(write(tmp_path, tabs.replace("\t", " ")))


@pytest.mark.parametrize(
    "form", ["-DOCSTART- -X- O O", "-DOCSTART- -DOCSTART- O", "-DOCSTART- O", "-DOCSTART-"]
)
@pytest.mark.parametrize("blank", ["\n", ""])
def test_row_19_docstart(tmp_path, form, blank):
    text = f"{form}\n{blank}EU NNP B-NP B-ORG\n\n{form}\n{blank}won VB O O\nit PRP O O\n\n"
    sentences = read(write(tmp_path, text))
    assert [(s.words, s.document) for s in sentences] == [(["EU"], 1), (["won", "it"], 2)]


def test_row_20_no_blank_lines(tmp_path):
    with pytest.raises(FormatError, match=r"no blank line: 1 sentence of 1,001 words\?"):
        read(write(tmp_path, "a O\n" * 1001))
    assert len(read(write(tmp_path, "a O\n" * 1000))) == 1
    report = convert([write(tmp_path, "a B-X\n\n" + "a O\n" * 1001)])
    assert places(report, "long-sentence") == (1, ["data.txt:3 (1,001 words)"])


@pytest.mark.parametrize("gap", ["\n", "  \n", "\n\n\n", "\t\n", "\u00a0\n"])
def test_row_21_blank_lines(tmp_path, gap):
    sentences = read(write(tmp_path, f"{gap}a B-X\n{gap}b O\nc B-X"))
    assert [sentence.words for sentence in sentences] == [["a"], ["b", "c"]]


def test_row_22_iob1(tmp_path):
    text = "EU I-ORG\nand O\nUK I-LOC\nUS B-LOC\n\nLee I-PER\nKo I-PER\n\n"
    report = convert([write(tmp_path, text)], tmp_path / "a.spacy")
    assert report["inputs"][0]["scheme"] == "IOB1"
    assert report["inputs"][0]["stray_tags"] == 0
    docs = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab()))
    assert [[ent.text for ent in doc.ents] for doc in docs] == [["EU", "UK", "US"], ["Lee Ko"]]


def test_row_23_stray_tag(tmp_path):
    text = samples.columns() + "San X I-LOC\nRemo X I-LOC\nis X O\n\n"
    report = convert([write(tmp_path, text, "esp.train")])
    line = text.split("\n").index("San X I-LOC") + 1
    assert report["inputs"][0]["scheme"] == "IOB2"
    assert places(report, "stray-tag") == (
        1, [f"esp.train:{line} 'San' I-LOC, IOB2 wants B-LOC"],
    )  # fmt: skip
    assert report["parts"]["all"]["entities"]["LOC"] == 5


@pytest.mark.parametrize(("scheme", "tags"), [("BIOES", "BES"), ("BILOU", "BLU")])
def test_row_24_other_schemes(tmp_path, scheme, tags):
    first, last, single = tags
    text = f"New {first}-LOC\nYork {last}-LOC\nLee {single}-PER\nKo {single}-PER\n\n"
    report = convert([write(tmp_path, text)], tmp_path / "a.spacy")
    assert report["inputs"][0]["scheme"] == scheme
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab())
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("New York", "LOC"), ("Lee", "PER"), ("Ko", "PER"),
    ]  # fmt: skip


@pytest.mark.parametrize("tag", ["PER", "b-per", "B-", "B_PER"])
def test_row_25_malformed_tag(tmp_path, tag):
    message = f"line 2: tag '{tag}', expected O, or one of B- I- E- S- L- U- followed by a label"
    with pytest.raises(FormatError, match=message):
        read(write(tmp_path, f"Oslo B-LOC\nLee {tag}\n\n"))
    with pytest.raises(FormatError, match=message.replace("line 2", "line 3")):
        read(write(tmp_path, rows("1,Oslo,X,B-geo", f",Lee,X,{tag}")))


def test_row_26_labels_differ(tmp_path):
    train = write(tmp_path, "Oslo B-LOC\nLee B-PER\n\n", "a")
    dev = write(tmp_path, "Rome B-LOC\nOslo B-GPE\n\n", "b")
    report = convert([f"train={train}", f"dev={dev}"])
    assert places(report, "label-missing") == (2, ["GPE: only in dev", "PER: only in train"])


@pytest.mark.parametrize("data", ["", " \n\n", "\ufeff"])
def test_row_27_empty_file(tmp_path, data):
    with pytest.raises(FormatError, match="an empty file, expected sentences"):
        convert([write(tmp_path, data)])


def test_row_27_no_entities(tmp_path):
    with pytest.raises(ValueError, match=r"data.txt: no entity, every tag is O. Expected tags"):
        convert([write(tmp_path, "Oslo O\n\n")])
    with pytest.raises(FormatError, match="no word in the file"):
        convert([write(tmp_path, "Sentence #,Word,Tag\n")])
    with pytest.raises(FormatError, match="no word in the file"):
        convert([write(tmp_path, "-DOCSTART- O\n\n")])


def test_row_28_leak(tmp_path):
    train = write(tmp_path, "Oslo B-LOC\n\nLee B-PER\n\n", "a")
    dev = write(tmp_path, "x O\n\nLee B-PER\n\n", "b")
    inputs = [f"train={train}", f"dev={dev}"]
    report = convert(inputs)
    assert places(report, "leak") == (1, ["a:3"])
    assert report["repeats"]["leaks"] == 1
    assert report["parts"]["train"]["sentences"] == 1
    kept = convert(inputs, settings=Conversion(allow_leaks=True))
    assert places(kept, "leak") == (1, ["a:3"])
    assert kept["parts"]["train"]["sentences"] == 2


def test_row_29_invisible_words(tmp_path):
    words = ["\u200b", "\x94", " ", "\u00a0", "Oslo"]
    tags = ["B-PER", "O", "O", "O", "B-LOC"]
    table = [["1", word, tag] for word, tag in zip(words, tags, strict=True)]
    text = samples.csv_text([["Sentence #", "Word", "Tag"], *table])
    report = convert([write(tmp_path, text)], tmp_path / "a.spacy")
    count, found = places(report, "invisible-word")
    assert (count, found[0]) == (4, r"data.txt:2 '\u200b'")
    assert places(report, "invisible-entity") == (1, [r"data.txt:2 '\u200b' B-PER"])
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab())
    assert [token.text for token in doc] == words
    assert json.loads(json.dumps(report)) == report
