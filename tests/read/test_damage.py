"""Cut and damaged files: a clear error or a true count, never a wrong label."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from support import samples

from spacy_bert_ner.read.data_file import FORMATS, open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import is_tag

KAGGLE = Path(__file__).parents[2] / "assets" / "kaggle" / "ner_dataset.csv.zip"
FORMS = {**samples.TOKEN_FORMATS, **samples.TEXT_FORMATS}


def read_tokens(path, **options):
    """What a file holds, without a last tag that is noted as one that may be cut."""
    notes = Notes()
    tokens = [
        (word, tag)
        for sentence in open_data(path, **options).sentences(notes)
        for word, tag in zip(sentence.words, sentence.tags, strict=True)
    ]
    return tokens[:-1] if notes.count("unfinished-line") else tokens


def try_tokens(path, data, **options):
    """What a file holds, or None if it is refused with its name and advice."""
    path.write_bytes(data)
    try:
        return read_tokens(path, **options)
    except FormatError as error:
        assert str(error).startswith(path.name)
        assert len(str(error)) < 3_000
        return None


@pytest.mark.parametrize("name", FORMS)
def test_a_cut_file_is_refused_or_true(tmp_path, name):
    data = FORMS[name].encode()
    path = tmp_path / f"{name}.txt"
    whole = try_tokens(path, data)
    step = 1 if name in samples.TOKEN_FORMATS else 5
    line_ends = [i + 1 for i, byte in enumerate(data[:-1]) if byte == ord("\n")]
    n_true = 0
    for end in sorted({*range(0, len(data), step), *line_ends}):
        found = try_tokens(path, data[:end])
        if found is not None:
            n_true += 1
            assert found == whole[: len(found)]
    # a cut between two rows leaves a whole file; one list of JSON is never whole
    assert (n_true == 0) == name.startswith("label-studio")


@pytest.mark.parametrize("ending", ["B-LOCATION", "I-LOCATION", "I-geo"])
def test_a_label_that_begins_another_is_not_trusted(tmp_path, ending):
    head = "Oslo B-LOC\nis O\nRome B-geo\nAnn B-LOCATION\n\nBerg "
    path = tmp_path / "data.conll"
    assert try_tokens(path, (head + ending).encode())[-1] == ("Berg", ending)
    for end in range(len(head), len(head + ending)):
        assert try_tokens(path, (head + ending)[:end].encode()) is None
    with pytest.raises(FormatError, match="line 6: the last line has no line end, and its tag"):
        read_tokens(path)


def test_a_last_line_without_line_end_is_a_line(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text("Oslo B-LOC\n\nWien B-CITY")
    notes = Notes()
    assert list(open_data(path).sentences(notes))[-1].tags == ["B-CITY"]
    assert notes.kinds["unfinished-line"].places == ["data.conll:3 B-CITY"]


def test_a_cut_slice_of_the_kaggle_file_is_refused_or_true(tmp_path):
    with ZipFile(KAGGLE) as archive, archive.open("ner_dataset.csv") as file:
        data = file.read(40_000)
    path = tmp_path / "data.csv"
    data = data[: data.rindex(b"\r\n") + 2]
    whole = try_tokens(path, data)
    for end in range(len(data) - 600, len(data), 7):
        found = try_tokens(path, data[:end])
        assert found is None or found == whole[: len(found)]


@pytest.mark.parametrize("name", ["conll", "kaggle-tokens"])
def test_a_cut_within_a_character_is_refused(tmp_path, name):
    text = FORMS[name].replace("Rome", "Zürich")
    data = text.encode()
    at = data.index("ü".encode()) + 1
    (tmp_path / "data.txt").write_bytes(data[:at])
    with pytest.raises(FormatError, match="the file ends within a UTF-8 character"):
        open_data(tmp_path / "data.txt")


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(sorted({**FORMS, **samples.RECORD_FORMATS})),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 2), st.binary(max_size=4)), max_size=4
    ),
)
def test_damaged_bytes_never_give_a_malformed_sentence(tmp_path_factory, name, edits):
    data = {**FORMS, **samples.RECORD_FORMATS}[name].encode()
    for at, length, new in edits:
        at %= len(data) + 1
        data = data[:at] + new + data[at + length :]
    check(tmp_path_factory.getbasetemp() / "fuzz.txt", data)


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, *(f for f in FORMATS if f != "spacy")]))
@example(b'{"text": 1}', None)
@example(b"[" * 5_000, "label-studio")
@example(b'["a", ' * 3_000, None)
@example(b"text,labels\n[,O", None)
@example(b'["a"]\n', "spacy-jsonl")
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, name):
    check(tmp_path_factory.getbasetemp() / "bytes.txt", data, format=name)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.booleans())
def test_a_damaged_docbin_is_refused(tmp_path_factory, at, new, cut):
    vocab = Vocab()
    docs = [Doc(vocab, ["Oslo", "won"], ents=["B-LOC", "O"])]
    data = DocBin(docs=docs).to_bytes()
    at %= len(data)
    damaged = data[:at] if cut else data[:at] + new + data[at + len(new) :]
    path = tmp_path_factory.getbasetemp() / "damaged.spacy"
    path.write_bytes(damaged)
    try:
        assert read_tokens(path) == [("Oslo", "B-LOC"), ("won", "O")]
        assert not cut
    except FormatError:
        assert damaged != data


def check(path, data, **options):
    found = try_tokens(path, data, **options)
    for word, tag in found or []:
        assert word
        assert is_tag(tag)
