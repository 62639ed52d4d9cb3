"""Column files of many kinds: what is read, what is said, and that all advice works."""

import bz2
import lzma
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import read, write

from spacy_bert_ner.read.columns.column_survey import ColumnSurvey
from spacy_bert_ner.read.columns.table import Dialect
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.sentence import FormatError, Notes
from spacy_bert_ner.schemes import tags_to_spans


def entities(sentences):
    return [
        (" ".join(sentence.words[start:end]), label)
        for sentence in sentences
        for start, end, label in tags_to_spans(sentence.tags)
    ]


CONLLU = "# sent_id = 1\n" + "".join(
    f"{i}\t{word}\t_\t_\t_\t_\t0\t_\t_\tname={tag}\n"
    for i, (word, tag) in enumerate([("Mira", "B-PER"), ("i", "O"), ("Graz", "B-LOC")], start=1)
)
WEBANNO = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|identifier|value\n\n\n#Text=Mira Lind, Graz\n"
    "1-1\t0-4\tMira\t*[1]\tPER[1]\t\n1-2\t5-9\tLind\t*[1]\tPER[1]\t\n"
    "1-3\t9-10\t,\t_\t_\t\n1-4\t11-15\tGraz\t*\tLOC\t\n"
)
ONTONOTES = (
    "#begin document (x); part 000\n"
    "x 0 0 Mira NNP (TOP* - - - a (PER) -\nx 0 1 in IN * - - - a * * -\n"
    "x 0 2 Bad NNP * - - - a (LOC* -\nx 0 3 Ischl NNP * - - - a *) -\n\n#end document\n"
)
PAIR = [("Mira", "PER"), ("Graz", "LOC")]
KINDS = {
    "comments": ("# id 7\tdomain=en\nMira _ _ B-PER\nin _ _ O\nGraz _ _ B-LOC\n", PAIR),
    "hash-word": ("# O\nMira B-PER\nGraz B-LOC\n", PAIR),
    "header": ("TOKEN\tNE-COARSE-LIT\tMISC\n# x = y\nMira\tB-PER\t_\nGraz\tB-LOC\t_\n", PAIR),
    "conllu": (CONLLU, PAIR),
    "webanno": (WEBANNO, [("Mira Lind", "PER"), ("Graz", "LOC")]),
    "ontonotes": (ONTONOTES, [("Mira", "PER"), ("Bad Ischl", "LOC")]),
    "bare": ("Mira PER\nLind PER\nin O\nO O\nGraz LOC\n", [("Mira Lind", "PER"), ("Graz", "LOC")]),
    "label-like": ("a@b.c E-mail\nat O\nS1 S-Bahn\n", [("a@b.c", "E-mail"), ("S1", "S-Bahn")]),
    "underscore": ("Mira B_PER\nin O\nGraz B_LOC\n", PAIR),
    "suffix": ("Mira PER-B\nin O\nGraz LOC-B\n", PAIR),
    "lower-case": ("Mira b-PER\nin o\nGraz b-LOC\n", PAIR),
    "bmes": ("M S-PER\nG B-LOC\nr M-LOC\nz E-LOC\n", [("M", "PER"), ("G r z", "LOC")]),
    "tag-first": ("B-PER Mira\nO in\nB-LOC Graz\n", PAIR),
    "index": ("1\tMira\tB-PER\n2\tin\tO\n\n1\tGraz\tB-LOC\n", PAIR),
    "blank-in-word": ("La Paz\tB-LOC\nSan Remo\tB-L\n", [("La Paz", "LOC"), ("San Remo", "L")]),
    "prefix": ("en:Mira B-PER\nen:in O\nen:Graz B-LOC\n", PAIR),
    "positions": ("北0\tB-L\n京1\tI-L\n10\tO\n\n#0\tO\n米0\tB-P\n", [("北 京", "L"), ("米", "P")]),
    "no positions": ("A0 B-L\nB1 I-L\nC2 O\n", [("A0 B1", "L")]),
    "counter": ("0\tMira\tB-PER\n1\tin\tO\n\n2\tGraz\tB-LOC\n", PAIR),
    "offsets": ("0 4 Mira B-PER\n5 7 in O\n8 12 Graz B-LOC\n", PAIR),
    "word numbers": ("#id=1\n1-1\tMira\tB-PER\n1-2\tin\tO\n\n2-1\tGraz\tB-LOC\n", PAIR),
    "marks between": ("\ufeffMira B-PER\n\n\ufeff-DOCSTART- O\n\n\ufeffGraz B-LOC\n", PAIR),
    "chunks": ("Mira NE I-NC B-PER\nin APPR I-PC O\nGraz NE I-PC B-LOC\n", PAIR),
    "syntax": ("Mira (TOP(NP*) (PER)\nin * *\nGraz *) (LOC)\n", PAIR),
    "zero": ("Mira B-PER\nin 0\nby 0\nat 0\nGraz B-LOC\n", PAIR),
    "other": ("Mira B-PER\nin OTHER\nby OTHER\nat OTHER\nGraz B-LOC\n", PAIR),
    "pipes": ("Sentence #|Word|Tag\n1|Mira|B-PER\n1|in|O\n2|Graz|B-LOC\n", PAIR),
    "empty column": ("1\t\tMira\tB-PER\n2\t\tin\tO\n\n1\t\tGraz\tB-LOC\n", PAIR),
    "codes": ("sentence #,word,tag\n1,A0,B-L\n,B1,I-L\n,C0,O\n", [("A0 B1", "L")]),
    "csv": ("sentence_id,words,labels\n0,Mira,B-PER\n1,Graz,B-LOC\n", PAIR),
    "empty-rows": ("word,tag\nMira,B-PER\n,\nGraz,B-LOC\n", PAIR),
    "quotes": ('sentence_id\tword\ttag\n1\tMira\tB-PER\n1\t"\tO\n2\tGraz\tB-LOC\n2\t"\tO\n', PAIR),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_column_file_is_read_by_its_content(tmp_path, kind):
    text, expected = KINDS[kind]
    assert entities(read(write(tmp_path, text))) == expected


@pytest.mark.parametrize(("ids", "n_sentences"), [("0011", 2), ("5577", 2), ("0010", 1)])
def test_numbers_part_sentences_where_nothing_else_does(tmp_path, ids, n_sentences):
    rows = zip(ids, ("Mira B-PER", "in O", "Graz B-LOC", "then O"), strict=True)
    path = write(tmp_path, "\n".join(map(" ".join, rows)))
    sentences = list(read(path))
    assert entities(sentences) == PAIR
    assert len(sentences) == n_sentences
    assert ("the sentence's id" in open_data(path).how) == (n_sentences > 1)


@pytest.mark.parametrize(
    "rows", [("word,tag", "Mira,B-PER", ","), ("sentence #,word,tag", "1,Mira,B-PER", "1,in,O")]
)
def test_files_put_together_repeat_their_header(tmp_path, rows):
    notes = Notes()
    sentences = list(read(write(tmp_path, "\n".join([*rows, *rows, ""])), notes))
    assert entities(sentences) == [("Mira", "PER")] * 2
    assert len(sentences) == 2
    assert notes.count("repeated-header") == 1


def test_all_faults_are_listed_at_once_or_skipped(tmp_path):
    path = write(tmp_path, "a O\n\n" + "b PER\n\n" * 30 + "c B-PER\n\nd O x\n\ne B-PER\n" * 40)
    with pytest.raises(FormatError, match=r"70 faults: wrong number of columns \(40\), malf"):
        read(path)
    notes = Notes()
    assert len(read(path, notes, skip_bad=True)) == 42
    assert notes.count("skipped") == 70


def test_the_encoding_is_guessed_by_the_language(tmp_path):
    path = write(tmp_path, "Мира B-PER\nживёт O\n".encode("cp1251"))
    data = open_data(path, lang="ru")
    assert next(data.sentences()).words == ["Мира", "живёт"]
    assert "cp1251" in data.how


@pytest.mark.parametrize(("pack", "suffix"), [(bz2.compress, ".bz2"), (lzma.compress, ".xz")])
def test_other_packings(tmp_path, pack, suffix):
    data = pack(b"Mira B-PER\n\n")
    assert entities(read(write(tmp_path, data, f"a.txt{suffix}"))) == [("Mira", "PER")]
    with pytest.raises(FormatError, match="damaged or cut packed data"):
        open_data(write(tmp_path, data[:-9], f"b.txt{suffix}"))


@pytest.mark.parametrize("head", ["Oslo|B-LOC", "text,labels\nOslo,B-LOC"])
def test_lines_of_sentences_are_bounded_too(tmp_path, head):
    with pytest.raises(FormatError, match="a line of 2,9"):
        list(open_data(write(tmp_path, f"{head}\n{'x' * 3_000_000}\n")).sentences())


@pytest.mark.parametrize(
    "text, n_faults",
    [
        ("Oslo|B-LOC won|O\nRome B-LOC\nGraz|X\nWien|B-LOC\n", 2),
        ("text,labels\nOslo won,B-LOC O\nRome,B-LOC,O\nGraz,O O\nBonn,X\nWien,B-LOC\n", 3),
    ],
)
def test_faults_of_sentence_lines_are_listed_at_once_or_skipped(tmp_path, text, n_faults):
    path = write(tmp_path, text)
    with pytest.raises(FormatError, match=f"{n_faults} faults:"):
        read(path)
    notes = Notes()
    assert entities(read(path, notes, skip_bad=True)) == [("Oslo", "LOC"), ("Wien", "LOC")]
    assert notes.count("skipped") == n_faults


def test_positions_are_left_out_and_told(tmp_path):
    cells = [
        f"{char}{i}"
        for word in ("一二三四五六七八九十百千", "1", "万")
        for i, char in enumerate(word)
    ]
    text = "".join(f"{cell}\tO\n" for cell in cells)
    path = write(tmp_path, f"{text}\n{text}米0\tB-PER\n")
    first, second = read(path)
    assert "".join(first.words) == "一二三四五六七八九十百千1万"
    assert second.words == [*first.words, "米"]
    assert "each character has its position" in open_data(path).how
    # sentences that `split_at` ends do not start at a position that is known
    assert read(path, split_at="万")[0].words[:1] == ["一0"]


def test_a_row_with_other_columns_is_found_in_any_part_of_a_sentence(tmp_path):
    # the sentence is read in three chunks
    rows = [f"{'1' * (i == 0)},word{i},O" for i in range(900)]
    for at in (100, 500, 800):
        text = "\n".join(["sentence #,word,tag", *rows[:at], ",x,y,O", *rows[at:], ""])
        with pytest.raises(FormatError, match=f"line {at + 2}: 4 columns, expected 3"):
            read(write(tmp_path, text))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["1,a,O", "1,a,B-X", '1,"a,b",O', "1,a", '1,"a,O', "1,a,b,O", ",,"]))
)
def test_tags_of_headed_rows_are_counted_as_csv_counts_them(lines):
    dialect = Dialect(",", is_quoted=True)
    rows = [row for row in map(dialect.split_quoted, lines) if len(row) == 3]
    cells = ColumnSurvey(dialect)._find_cells(lines, 3, 2)
    assert Counter(cells) == Counter(row[2] for row in rows)


def test_other_signs_that_count_as_o_are_counted(tmp_path):
    path = write(tmp_path, "Mira B-PER\nin _\nby _\n, -\nGraz B-LOC\n. O\n")
    assert "tag '_' counts as O (2 ×); tag '-' counts as O (1 ×)" in open_data(path).how
    assert entities(read(path)) == PAIR


def test_a_very_long_line_is_refused(tmp_path):
    with pytest.raises(FormatError, match="a line of 3,"):
        open_data(write(tmp_path, "x" * 3_000_000))


MULTIWORDS = """# text = Vado al Museo del Louvre, don't
1\tVado\t_\t_\t_\t_\t0\t_\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\t_\t_\t_\t_\t0\t_\t_\tNER=O
3\til\t_\t_\t_\t_\t0\t_\t_\tNER=O
4\tMuseo\t_\t_\t_\t_\t0\t_\t_\tNER=B-LOC
5-6\tdel\t_\t_\t_\t_\t_\t_\t_\t_
5\tdi\t_\t_\t_\t_\t0\t_\t_\tNER=I-LOC
6\til\t_\t_\t_\t_\t0\t_\t_\tNER=I-LOC
7\tLouvre\t_\t_\t_\t_\t0\t_\t_\tNER=I-LOC|SpaceAfter=No
8\t,\t_\t_\t_\t_\t0\t_\t_\t_
8.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
9-10\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
9\tdo\t_\t_\t_\t_\t0\t_\t_\t_
10\tn't\t_\t_\t_\t_\t0\t_\t_\t_

"""


def test_multiword_tokens_are_words_as_in_the_text(tmp_path):
    notes = Notes()
    (sentence,) = read(write(tmp_path, MULTIWORDS), notes)
    assert sentence.words == ["Vado", "al", "Museo", "del", "Louvre", ",", "do", "n't"]
    blanks = [" " if space else "" for space in sentence.spaces]
    text = "".join(map("".join, zip(sentence.words, blanks, strict=True)))
    assert text == "Vado al Museo del Louvre, don't"
    assert entities([sentence]) == [("Museo del Louvre", "LOC")]
    assert sentence.lines == [2, 4, 6, 8, 10, 11, 14, 15]
    assert notes.kinds == {}
    two = MULTIWORDS.replace("NER=O\n3", "NER=B-X\n3").replace("NER=O\n4", "NER=B-Y\n4")
    (sentence,) = read(write(tmp_path, two), notes)
    assert entities([sentence])[0] == ("al", "X")
    assert notes.kinds["part-of-word"].places == ["data.txt:2 al"]


def test_stacked_annotations_of_webanno(tmp_path):
    rows = [("A", "LOC[2]|PER[1]"), ("B", "PER[1]|LOC[2]"), ("C", "PER[1]"), ("D", r"A\_B|*[3]")]
    lines = [f"1-{i}\t{i * 2}-{i * 2 + 1}\t{word}\t{tag}\t" for i, (word, tag) in enumerate(rows)]
    head = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.NamedEntity|value\n\n\n"
    notes = Notes()
    sentences = read(write(tmp_path, head + "\n".join([*lines, ""])), notes)
    assert entities(sentences) == [("A B C", "PER"), ("D", "A_B")]
    assert [place.split()[-1] for place in notes.kinds["overlap"].places] == ["LOC[2]", "*[3]"]
