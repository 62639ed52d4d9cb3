"""Every format of words, every packing, every encoding."""

import gzip
import zipfile

import pytest
from support import samples
from support.samples import read, write

from spacy_bert_ner.convert.survey import survey_file
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.schemes import tags_to_spans


def words_and_spans(sentences):
    return [(sentence.words, tags_to_spans(sentence.tags)) for sentence in sentences]


@pytest.mark.parametrize("name", samples.TOKEN_FORMATS)
def test_every_format_of_words_gives_the_same_sentences(tmp_path, name):
    data = open_data(write(tmp_path, samples.TOKEN_FORMATS[name]))
    assert data.format in (name, "kaggle-sentences", "conll")
    assert words_and_spans(data.sentences()) == samples.SENTENCES


@pytest.mark.parametrize("name", samples.TOKEN_FORMATS)
def test_format_can_be_forced(tmp_path, name):
    path = write(tmp_path, samples.TOKEN_FORMATS[name])
    right = open_data(path).format
    assert read(path, format=right) == read(path)
    with pytest.raises(FormatError):
        read(path, format="prodigy")
    with pytest.raises(ValueError, match="expected one of spacy, "):
        open_data(path, format="xml")


def test_documents_of_columns_and_piped_lines(tmp_path):
    for text in (samples.columns(), samples.piped()):
        numbers = [sentence.document for sentence in read(write(tmp_path, text))]
        assert [numbers.index(n) for n in numbers] == [0, 0, 2, 3]


def test_lines_point_into_the_file(tmp_path):
    for name in ("kaggle-tokens", "conll", "wikiner", "kaggle-sentences"):
        text = samples.TOKEN_FORMATS[name]
        lines = text.splitlines()
        for sentence in read(write(tmp_path, text)):
            for word, line in zip(sentence.words, sentence.lines, strict=True):
                assert word in lines[line - 1]


def test_sentence_id_on_every_row(tmp_path):
    text = samples.token_rows(every_row=True)
    assert words_and_spans(read(write(tmp_path, text))) == samples.SENTENCES


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_of_rows(tmp_path, delimiter):
    rows = [["Tag", "Sentence #", "Word"], ["B-LOC", "1", "Oslo"], ["O", "", "a,b"]]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    (sentence,) = read(write(tmp_path, text))
    assert (sentence.words, sentence.tags) == (["Oslo", "a,b"], ["B-LOC", "O"])


def test_packed_files(tmp_path):
    text = samples.token_rows().encode()
    expected = words_and_spans(read(write(tmp_path, text, "a.csv")))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("__MACOSX/._a.csv", b"clutter")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("deep/a.csv", text)
        archive.writestr("README", b"read me")
    for name in ("a.csv.gz", "a.csv.zip", "two.zip:a.csv", "two.zip:deep/a.csv"):
        assert words_and_spans(read(f"{tmp_path}/{name}")) == expected
    with pytest.raises(FormatError, match=r"a zip of 2 files \(deep/a.csv, README\)"):
        open_data(tmp_path / "two.zip")
    with pytest.raises(FormatError, match=r"0 members are named 'b.csv'"):
        open_data(f"{tmp_path}/two.zip:b.csv")


@pytest.mark.parametrize("suffix", [".gz", ".zip"])
def test_damaged_packed_files(tmp_path, suffix):
    text = samples.token_rows().encode() * 50
    path = tmp_path / f"a.csv{suffix}"
    if suffix == ".gz":
        path.write_bytes(gzip.compress(text))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="damaged"):
        open_data(path)
    at = 60
    path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    with pytest.raises(FormatError, match="damaged"):
        open_data(path)


def test_columns_by_number(tmp_path):
    path = write(tmp_path, "1 Oslo B-LOC x\n2 is O y\n")
    (sentence,) = read(path, word_column=2, tag_column=3)
    assert (sentence.words, sentence.tags) == (["Oslo", "is"], ["B-LOC", "O"])
    assert read(path, word_column=-3, tag_column=-2) == [sentence]
    with pytest.raises(FormatError, match="4 columns, expected the tag in column 5"):
        open_data(path, tag_column=5)


def test_encoding_can_be_forced(tmp_path):
    path = write(tmp_path, "é B-LOC\n\n", encoding="cp437")
    assert read(path, encoding="cp437")[0].words == ["é"]
    assert read(path)[0].words != ["é"]
    with pytest.raises(FormatError, match="line 1: not utf-8"):
        open_data(path, encoding="utf-8")
    for encoding in ("utf-99", "hex"):
        with pytest.raises(FormatError, match="no text encoding that Python knows"):
            open_data(path, encoding=encoding)


def test_neither_utf8_nor_cp1252(tmp_path):
    path = write(tmp_path, b"a O\n\x81\xe9\xff B-LOC\n")
    with pytest.raises(FormatError, match="not UTF-8, and no encoding fits language en"):
        open_data(path)


def test_mixed_encodings(tmp_path):
    path = write(tmp_path, "é O\nü O\nö O\n".encode() + b"\xe9 O\n")
    with pytest.raises(FormatError, match=r"line 4: 1 bytes are not UTF-8, 3 characters are"):
        open_data(path)


def test_python_lists_are_data(tmp_path):
    evil = "[__import__('os').system('touch hacked')]"
    text = samples.csv_text([["text", "labels"], [evil, "O"]])
    with pytest.raises(FormatError, match="line 2: a list that Python cannot have printed"):
        read(write(tmp_path, text))
    text = samples.csv_text([["text", "labels"], [str(["don't", 'a"b', "'\""]), "O O O"]])
    assert read(write(tmp_path, text))[0].words == ["don't", 'a"b', "'\""]
    # numpy prints no commas, and cuts what is long
    text = samples.csv_text([["text", "labels"], ["['a' 'b'\n 'c']", "['O' 'B-X' 'I-X']"]])
    assert read(write(tmp_path, text))[0][:2] == (["a", "b", "c"], ["O", "B-X", "I-X"])
    text = samples.csv_text([["text", "labels"], ["['a' ... 'b']", "O"]])
    with pytest.raises(FormatError, match=r"cannot have printed.*numpy cuts"):
        read(write(tmp_path, text))


def zip_with_password(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", samples.token_rows())
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)


def test_a_locked_zip(tmp_path):
    zip_with_password(tmp_path / "a.zip")
    with pytest.raises(FormatError, match=r"a.zip:a.csv: locked with a password. Unpack it"):
        open_data(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,labels\n\"['\\x']\",O\n", "line 2: a list with a broken string"),
        ("text,labels\n\"['a', '']\",O O\n", "line 2: an empty word in the list"),
        ("text,labels\na b,O\n", "line 2: 2 words and 1 tag, expected one tag for each word"),
        ("text,labels\n,\n", "line 2: 0 words and 0 tags"),
        ("a|X|O b|X\n", r"line 1: 'b\|X', expected word\|TAG|line 1: tag 'X'"),
        ("a|X|O\nb|X\n", r"line 2: 'b\|X', expected word\|POS\|TAG"),
        ('{"text": "a"', "line 1: broken JSON"),
        ('{"text": "a"}\n', "line 1: records of an unknown kind"),
        ('{"text": "a", "spans": []}\n5\n', "line 2: 5, expected an object"),
        ('{"text": "a", "label": [[0, 1]]}\n', r"line 1: a list, expected \[start, end, label\]"),
        ("[]", "no record"),
    ],
)
def test_other_faults(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        survey_file(open_data(write(tmp_path, text)))


def test_two_schemes_in_one_file(tmp_path):
    path = write(tmp_path, "a S-PER\nb U-PER\n\n")
    with pytest.raises(FormatError, match=r"data.txt: Tags of two schemes in one file"):
        survey_file(open_data(path))
