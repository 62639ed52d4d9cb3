"""brat's files: texts with entities, relations left alone, gaps counted."""

import pytest
from support.samples import read, write

from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans

ANN = "T1\tPER 0 9\tMira Lind\nR1\tlives Arg1:T1 Arg2:T2\nT2\tLOC 20 24\tGraz\nA1\tSure T1\n"
TEXT = "Mira Lind moved\r\nto Graz."


def find_entities(sentences):
    return [
        (" ".join(s.words[start:end]), label)
        for s in sentences
        for start, end, label in tags_to_spans(s.tags)
    ]


def test_a_file_or_a_folder(tmp_path):
    path = write(tmp_path, ANN, "b.ann")
    with pytest.raises(FormatError, match="a file of brat without its text, expected b"):
        read(path)
    write(tmp_path, TEXT, "b.txt")
    expected = [("Mira Lind", "PER"), ("Graz", "LOC")]
    assert find_entities(read(path)) == expected
    assert open_data(path).has_texts
    write(tmp_path, "", "a.ann")
    write(tmp_path, "Nobody.", "a.txt")
    assert open_data(tmp_path).format == "brat"
    sentences = read(tmp_path)
    assert find_entities(sentences) == expected
    assert [s.document for s in sentences] == [1, 2]


def test_an_entity_with_a_gap_is_lost_and_counted(tmp_path):
    write(tmp_path, TEXT, "a.txt")
    path = write(tmp_path, ANN + "T3\tX 0 4;10 15\tMira moved\n", "a.ann")
    notes = Notes()
    assert len(find_entities(read(path, notes))) == 2
    assert notes.kinds["split-span"].places == ["a.ann:5 Mira moved"]


def test_an_entity_that_a_line_end_cuts_is_whole(tmp_path):
    write(tmp_path, TEXT, "a.txt")
    path = write(tmp_path, "T1\tX 10 15;17 19\tmoved to\n", "a.ann")
    notes = Notes()
    assert find_entities(read(path, notes)) == [("moved \r\n to", "X")]
    assert notes.kinds.keys() <= {"control-words"}


def test_a_folder_of_other_files_names_them(tmp_path):
    write(tmp_path, "Mira B-PER\n", "a.conll")
    with pytest.raises(FormatError, match=r"Give its files, such as .*a\.conll\."):
        open_data(tmp_path)


def test_folders_in_a_folder_are_read_unless_they_are_parts(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, ANN, "x.ann")
        write(tmp_path / name, TEXT, "x.txt")
    assert len(find_entities(read(tmp_path))) == 4
    (tmp_path / "b").rename(tmp_path / "test")
    with pytest.raises(FormatError, match=r"brat's files of test, .* train=.*test\."):
        read(tmp_path)
    assert len(find_entities(read(tmp_path / "test"))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T3\tPER 5\tx", "line 5: 'T3.PER 5.x', expected T1, a tab"),
        ("T3\tPER 0 4\tGraz", "offsets 0:4 hold 'Mira', expected 'Graz'"),
        ("T3\tPER 20 99\t", "span 20:99 PER in a text of 25 characters"),
    ],
)
def test_broken_lines_are_refused(tmp_path, line, message):
    write(tmp_path, TEXT, "a.txt")
    path = write(tmp_path, f"{ANN}{line}\n", "a.ann")
    with pytest.raises(FormatError, match=message):
        read(path)
