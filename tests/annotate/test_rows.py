"""Each file format: the same rows from the beginning and from any place within."""

import bz2
import csv
import gzip
import json
import lzma

import pyarrow as pa
import pytest
import spacy
from pyarrow import parquet
from spacy.tokens import DocBin

from spacy_bert_ner.annotate import rows as rows_module
from spacy_bert_ner.annotate.places import InputFile, find_files
from spacy_bert_ner.annotate.records import BadRecord, Range, RecordReader
from spacy_bert_ner.annotate.rows import read_file_rows

TEXTS = [
    'a "quoted", text',
    "two\nlines",
    "",
    "Zürich \U0001f600",
    "tab\there",
    " blanks ",
    "x" * 300,
]
FLAT = [text.replace("\n", " ") for text in TEXTS]
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def quote(cell):
    return '"' + cell.replace('"', '""') + '"'


def make_text(suffix):
    if suffix == ".txt":
        return "".join(f"{text}\r\n" for text in FLAT), FLAT
    if suffix == ".jsonl":
        return "\ufeff" + "\n\n".join(json.dumps({"n": 1, "text": text}) for text in TEXTS), TEXTS
    comma = "," if suffix == ".csv" else "\t"
    lines = [comma.join(["text", "n"]), *(comma.join([quote(text), "1"]) for text in TEXTS)]
    return "\ufeff" + "\n".join(lines), TEXTS


def write_binary(path):
    if path.suffix == ".parquet":
        table = pa.table({"text": TEXTS, "n": [1] * len(TEXTS)})
        parquet.write_table(table, path, row_group_size=3)
    else:
        nlp = spacy.blank("en")
        DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(path)
    return TEXTS


def make_file(tmp_path, name):
    path = tmp_path / name
    suffix = "." + name.split(".")[1]
    if suffix in (".parquet", ".spacy"):
        return find_files([path]) if path.exists() else (write_binary(path), find_files([path]))
    text, texts = make_text(suffix)
    packer = PACKERS[path.suffix if path.suffix in PACKERS else ""]
    path.write_bytes(packer(text.encode()))
    return texts, find_files([path])


NAMES = [
    f"a{suffix}{packed}" for suffix in (".txt", ".jsonl", ".csv", ".tsv") for packed in PACKERS
]


@pytest.mark.parametrize("name", [*NAMES, "a.parquet", "a.spacy"])
def test_rows_are_the_same_from_any_place(name, tmp_path):
    texts, (file,) = make_file(tmp_path, name)
    rows = list(read_file_rows(file))
    assert len(rows) == len(texts)
    for i, (offset, row) in enumerate(rows):
        again = list(read_file_rows(file, offset))
        if file.suffix != ".spacy":
            assert again == rows[i:]
        assert again[0] == (offset, row)
    # one reader, in and out of order
    reader = RecordReader((file,), "text", None, 1_000)
    n = len(rows)
    for first, size in [(0, 2), (2, 1), (3, n - 3), (1, 1), (4, 2), (0, n)]:
        found = list(reader.read(Range(0, first, size, rows[first][0])))
        assert [record.text for record in found] == texts[first : first + size]
        assert [record.id for record in found] == [
            f"{file.name}:{i + 1}" for i in range(first, first + size)
        ]
        assert [record.place for record in found] == [
            Range(0, i, 1, rows[i][0]) for i in range(first, first + size)
        ]
    with pytest.raises(ValueError, match=f"{n} rows, expected at least {n + 1}"):
        list(reader.read(Range(0, n - 1, 2, rows[-1][0])))


def test_zstd_is_read(tmp_path):
    zstd = pytest.importorskip("zstandard", reason="zstandard is not installed")
    pytest.importorskip("backports.zstd", reason="this Python has no Zstandard")
    (tmp_path / "a.txt.zst").write_bytes(zstd.compress(b"London\n"))
    assert [row for _, row in read_file_rows(*find_files([tmp_path / "a.txt.zst"]))] == ["London"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", "London\n".encode("utf-16"), "UTF-16, expected UTF-8"),
        ("a.txt.gz", gzip.compress(b"London\n" * 999)[:-20], "damaged or cut packed data"),
        ("a.parquet", b"PAR1 and no more", "not readable as .parquet"),
        ("a.spacy", b"no docs", "not readable as .spacy"),
        ("a.csv", b"text,text\nx,y\n", "expected each name once"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(name, data, message, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        list(read_file_rows(*find_files([tmp_path / name])))


def test_a_line_without_end_is_one_bad_record(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "MOST_LINE_BYTES", 8)
    for name in ("a.txt", "a.jsonl"):
        path = tmp_path / name
        path.write_text("{}\n" + "x" * 30 + "\n{}\n" + "y" * 8)
        (file,) = find_files([path])
        reader = RecordReader((file,), "text", None, 100)
        records = list(reader.read(Range(0, 0, 4, 0)))
        assert ["bytes or more" in getattr(r, "reason", "") for r in records] == [
            False, True, False, True,
        ]  # fmt: skip
        assert isinstance(records[1], BadRecord) and records[2].id == f"{path}:3"


def test_cells_that_do_not_fit_the_header_are_bad_records(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,text\n1,London\n2\n3,x,y\n4,caf\xe9\n")
    reader = RecordReader(tuple(find_files([tmp_path / "a.csv"])), "text", "id", 100)
    found = list(reader.read(Range(0, 0, 4, 8)))
    assert found[0].id == "1" and found[0].fields == {}
    assert [record.reason for record in found[1:]] == [
        "1 cells, expected 2",
        "3 cells, expected 2",
        "bytes that are not UTF-8",
    ]


def test_folders_globs_and_uris_name_the_same_files(tmp_path):
    for name in ("b.txt", "a.jsonl", "sub/c.csv.gz", "_SUCCESS.txt", ".hidden.txt", "sub/_x/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("")
    expected = [str(tmp_path / name) for name in ("a.jsonl", "b.txt", "sub/c.csv.gz")]
    assert [file.location for file in find_files([tmp_path])] == expected
    assert [file.location for file in find_files([tmp_path, tmp_path / "b.txt"])] == expected
    assert [file.location for file in find_files([f"{tmp_path}/*.jsonl"])] == expected[:1]
    remote = [file.location for file in find_files([f"file://{tmp_path}"])]
    assert remote == [f"file://{path}" for path in expected]
    assert [f.location for f in find_files([f"file://{tmp_path}/*.txt"])] == [
        f"file://{expected[1]}"
    ]
    assert InputFile("s3://b/x.CSV.gz", "").suffix == ".csv"


def test_a_long_cell_is_read_without_changing_the_limit_of_the_process(tmp_path):
    (tmp_path / "a.csv").write_text(f"text\n{'x' * 200_000}\nshort\n")
    before = csv.field_size_limit()
    rows = read_file_rows(InputFile("a.csv", str(tmp_path / "a.csv")))
    first = next(rows)
    assert csv.field_size_limit() == before
    assert [len(first[1][1][0]), next(rows)[1][1]] == [200_000, ["short"]]
