"""What the user says about columns, numbers and quotes counts as it was said."""

import importlib.util
import json

import pytest
from support.samples import read, write

import spacy_bert_ner.read.records.json_values as json_values
from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError
from spacy_bert_ner.schemes import tags_to_spans

NAMES = ("O", "B-PER", "I-PER", "B-LOC")
"""The tags that the numbers of these files mean, in their order."""

NUMBERS = {
    "token rows": "Sentence #,Word,Tag\n1,Anna,1\n,Bell,2\n,left,0\n2,Oslo,3\n",
    "sentence rows": "text,labels\nAnna Bell left,1 2 0\nOslo,3\n",
    "lists": "tokens,ner_tags\n\"['Anna', 'Bell', 'left']\",\"[1, 2, 0]\"\n['Oslo'],[3]\n",
    "numpy": "tokens,ner_tags\n['Anna' 'Bell'\n 'left'],[1 2 0]\n['Oslo'],[3]\n".replace(
        "['Anna' 'Bell'\n 'left']", "\"['Anna' 'Bell'\n 'left']\""
    ),
    "columns": "Anna\t1\nBell\t2\nleft\t0\n\nOslo\t3\n",
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_mean_the_names_given(tmp_path, kind):
    path = write(tmp_path, NUMBERS[kind], "data.csv" if "," in NUMBERS[kind] else "data.txt")
    sentences = read(path, tag_names=NAMES)
    assert [sentence.words for sentence in sentences] == [["Anna", "Bell", "left"], ["Oslo"]]
    spans = [tags_to_spans(sentence.tags) for sentence in sentences]
    assert spans == [[(0, 2, "PER")], [(0, 1, "LOC")]]
    with pytest.raises(FormatError, match=r"the number . as a tag, and no name.*`tag_names`"):
        read(path)
    with pytest.raises(FormatError, match=r"the number . as a tag, and no name"):
        read(path, tag_names=NAMES[:3])


def test_a_column_that_is_named_counts_even_where_the_content_differs(tmp_path):
    index = "".join(f"{i}\tw{i}\tB-X\n" for i in range(1, 4)) + "\n1\tw1\tO\n"
    path = write(tmp_path, index)
    assert read(path)[0].words == ["w1", "w2", "w3"]
    assert read(path, word_column=1)[0].words == ["1", "2", "3"]
    # two columns with tags: the last one is named
    path = write(tmp_path, "Anna B-PER B-per\nBell I-PER O\nOslo B-LOC B-loc\n")
    assert read(path, tag_column=-1)[0].tags == ["B-per", "O", "B-loc"]
    with pytest.raises(FormatError, match=r"column 1 holds the tags, and `word_column` names it"):
        read(write(tmp_path, "B-PER Anna\nO left\n"), word_column=1)


def test_all_broken_quotes_are_told_at_once(tmp_path):
    good = "Anna left,B-PER O\n"
    text = "text,labels\n" + good + '"Anna"x left,B-PER O\n' + good + '"Anna left,B-PER O\n' + good
    path = write(tmp_path, text + "Oslo,B-LOC O\n")
    with pytest.raises(FormatError) as error:
        read(path)
    message = str(error.value)
    assert "3 faults: broken CSV (2), malformed row (1)" in message
    assert [f"line {n}:" in message for n in (3, 5, 7)] == [True] * 3
    assert "1 word and 2 tags" in message
    assert [sentence.lines[0] for sentence in read(path, skip_bad=True)] == [2, 4, 6]


def test_texts_of_parquet_are_documents(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"text": "Anna left", "entities": [{"start": 0, "end": 4, "label": "PER"}]}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert open_data(tmp_path / "a.parquet").has_texts
    rows = [{"tokens": ["Anna", "left"], "ner_tags": ["B-PER", "O"]}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "b.parquet")
    assert not open_data(tmp_path / "b.parquet").has_texts


@pytest.mark.parametrize("form", ["line", "list", "object"])
def test_a_record_without_end_is_refused(tmp_path, monkeypatch, form):
    monkeypatch.setattr(json_values, "LONGEST_RECORD", 200_000)
    line = json.dumps({"text": "Anna", "label": [[0, 4, "PER"]]})
    huge = '{"text": "' + "a" * 500_000
    text = {"line": f"{line}\n{huge}", "list": f"[{line}, {huge}", "object": huge}[form]
    with pytest.raises(FormatError, match=r"a record of \d+,\d+ characters or more, expected"):
        read(write(tmp_path, text, "a.json"))


def test_zstandard_is_read_or_refused_with_a_way_out(tmp_path):
    packed = bytes.fromhex("28b52ffd041069000041 6e6e6120422d5045520a")  # "Anna B-PER\n", one block
    path = tmp_path / "a.conll.zst"
    path.write_bytes(packed)
    names = ("compression.zstd", "backports.zstd")
    has = any(
        importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name)
        for name in names
    )
    if has:
        pytest.skip("this Python unpacks Zstandard, see test_columns")
    with pytest.raises(FormatError, match=r"packed with Zstandard.*unzstd.*backports\.zstd"):
        open_data(path)


def test_blanks_between_characters_are_spaces(tmp_path):
    rows = [("홍", "B-PS"), ("길", "I-PS"), (" ", "O"), ("서", "B-LC"), ("울", "I-LC")]
    text = "".join(f"{char}\t{tag}\n" for char, tag in rows)
    (sentence,) = read(write(tmp_path, f"## id\n{text}"))
    assert sentence.words == ["홍", "길", "서", "울"]
    assert sentence.spaces == [False, True, False, False]
    assert tags_to_spans(sentence.tags) == [(0, 2, "PS"), (2, 4, "LC")]


def test_blanks_between_thai_words_are_spaces(tmp_path):
    rows = [("นาย", "O"), ("สม", "B-PER"), ("ชาย", "I-PER"), (" ", "O"), ("อยู่", "O"),
            ("กรุงเทพ", "B-LOC")]  # fmt: skip
    text = "".join(f"{word}\t{tag}\n" for word, tag in rows)
    (sentence,) = read(write(tmp_path, text), lang="th")
    assert sentence.words == ["นาย", "สม", "ชาย", "อยู่", "กรุงเทพ"]
    assert sentence.spaces == [False, False, True, False, False]
    assert tags_to_spans(sentence.tags) == [(1, 3, "PER"), (4, 5, "LOC")]


def test_hipe_flags_part_sentences_and_join_words(tmp_path):
    text = (
        "TOKEN\tNE-COARSE-LIT\tMISC\n# document_id = x\nAnna\tB-pers\t_\nleft\tO\tNoSpaceAfter\n"
        ".\tO\tEndOfSentence\nOslo\tB-loc\tNoSpaceAfter|EndOfSentence\nOk\tO\t_\n"
    )
    sentences = read(write(tmp_path, text))
    assert [sentence.words for sentence in sentences] == [["Anna", "left", "."], ["Oslo"], ["Ok"]]
    assert sentences[0].spaces == [True, False, True]


@pytest.mark.parametrize(
    ("words", "kind", "n"),
    [
        (["Lakers", "06-Feb", "won", "1-Jan", "Mar-99", "Jan"], "excel-date", 3),
        ([f"{i}{word}" for i, word in enumerate("abcdefghijkl", start=1)], "fused-number", 12),
    ],
)
def test_findings_among_words(tmp_path, words, kind, n):
    rows = "".join(f"{word}\t{'B-X' if i == 0 else 'O'}\n" for i, word in enumerate(words))
    report = convert([write(tmp_path, rows)])
    assert {note["kind"]: note["count"] for note in report["findings"]}[kind] == n
    report = convert([write(tmp_path, "Anna\tB-X\nleft\tO\n6-2\tO\nB2\tO\n")])
    assert kind not in [note["kind"] for note in report["findings"]]
