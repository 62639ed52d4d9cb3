import gzip
import itertools
import json
import zipfile

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_bert_ner.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.labels import tags_to_spans
from spacy_bert_ner.read import DocData, FormatError, Notes, open_data, open_writer
from spacy_bert_ner.spacing import Spacer
from spacy_bert_ner.survey import survey_file


def write(folder, text, name="data.txt", encoding="utf8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def read(path, notes=None, **options):
    return list(open_data(path, **options).sentences(notes))


def words_and_spans(sentences):
    return [(sentence.words, tags_to_spans(sentence.tags)) for sentence in sentences]


@pytest.mark.parametrize("name", samples.TOKEN_FORMATS)
def test_every_format_of_words_gives_the_same_sentences(tmp_path, name):
    data = open_data(write(tmp_path, samples.TOKEN_FORMATS[name]))
    assert data.format in (name, "kaggle-sentences", "conll")
    assert words_and_spans(data.sentences()) == samples.SENTENCES


@pytest.mark.parametrize("name", samples.TEXT_FORMATS)
def test_every_format_of_texts_keeps_text_and_offsets(tmp_path, name):
    notes = Notes()
    data = open_data(write(tmp_path, samples.TEXT_FORMATS[name]))
    assert name.startswith(data.format)
    found = []
    for sentence in data.sentences(notes):
        doc = doc_data_to_doc(sentences_to_doc_data([sentence], spacer=None), Vocab())
        spans = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
        found.append((doc.text, spans))
    assert found == samples.TEXTS
    assert notes.count("cut-token") == 0


@pytest.mark.parametrize("name", samples.TOKEN_FORMATS)
def test_format_can_be_forced(tmp_path, name):
    path = write(tmp_path, samples.TOKEN_FORMATS[name])
    right = open_data(path).format
    assert read(path, format=right) == read(path)
    with pytest.raises(FormatError):
        read(path, format="prodigy")
    with pytest.raises(ValueError, match="expected one of kaggle-tokens"):
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


def test_a_sentence_start_within_an_entity_does_not_cut_it(tmp_path):
    doc = Doc(Vocab(), ["New", "York", "won"], ents=["B-LOC", "I-LOC", "O"],
              sent_starts=[True, True, True])  # fmt: skip
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    sents = [{"start": start, "end": start + 1} for start in (0, 4, 9)]
    value = {"text": "New York won", "ents": [{"start": 0, "end": 8, "label": "LOC"}]}
    write(tmp_path, samples.json_lines([{**value, "sents": sents}]), "a.jsonl")
    for name in ("a.spacy", "a.jsonl"):
        notes = Notes()
        sentences = read(tmp_path / name, notes)
        assert [sentence.words for sentence in sentences] == [["New", "York"], ["won"]]
        assert notes.count("cut-by-sentence") == 1


def test_neither_utf8_nor_cp1252(tmp_path):
    path = write(tmp_path, b"a O\n\x81\xe9\xff B-LOC\n")
    with pytest.raises(FormatError, match="line 2: neither UTF-8 nor cp1252"):
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
    # numpy's print has no commas: Python would join the strings
    text = samples.csv_text([["text", "labels"], ["['a' 'b']", "O"]])
    with pytest.raises(FormatError, match="cannot have printed"):
        read(write(tmp_path, text))


def test_tokens_are_cut_at_entity_borders_and_listed(tmp_path):
    text = "x-rayed Sankt-Hans5"
    value = {"text": text, "spans": [{"start": 8, "end": 18, "label": "MISC"}]}
    notes = Notes()
    (sentence,) = read(write(tmp_path, samples.json_lines([value])), notes, format="prodigy")
    doc = sentences_to_doc_data([sentence], spacer=None)
    assert doc.text == text
    assert [doc.words[a:b] for a, b, _ in doc.spans] == [["Sankt", "-", "Hans"]]
    assert notes.kinds["cut-token"].places == ["data.txt:1 'Hans5'"]


def test_spans_that_do_not_fit_are_listed(tmp_path):
    spans = [(0, 4, "LOC"), (0, 9, "ORG"), (9, 12, "PER"), (4, 5, "LOC")]
    value = {"text": "Oslo Zoo Lee went", "spans": samples.as_dicts(spans), "answer": "accept"}
    notes = Notes()
    (sentence,) = read(write(tmp_path, samples.json_lines([value])), notes)
    assert tags_to_spans(sentence.tags) == [(0, 2, "ORG"), (2, 3, "PER")]
    assert notes.kinds["overlap"].places == ["data.txt:1 'Oslo' LOC"]
    assert notes.kinds["trimmed-span"].places == ["data.txt:1 'Oslo Zoo ' ORG"]
    assert notes.kinds["blank-span"].places == ["data.txt:1 LOC"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"text": "Oslo", "spans": [{"start": 0, "end": 9, "label": "A"}]}, "span 0:9 A in a text"),
        ({"text": "Oslo", "spans": [{"start": "0", "end": 4, "label": "A"}]}, "offsets start='0'"),
        ({"text": "Oslo", "spans": [{"start": 0, "end": 4}]}, "nothing as 'label'"),
        ({"text": "Oslo", "spans": 3}, "3 as 'spans', expected a list"),
        ({"text": 5, "spans": []}, "5 as 'text', expected a text"),
        ({"text": "\ud800", "spans": []}, "half a surrogate pair"),
    ],
)
def test_faults_of_annotation_tools(tmp_path, value, message):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": "a", "spans": []}) + "\n" + json.dumps(value))
    with pytest.raises(FormatError, match=f"line 2: {message}"):
        read(path)


def test_what_nobody_accepted_is_left_out_and_counted(tmp_path):
    notes = Notes()
    values = [{"text": "a", "spans": [], "answer": answer} for answer in ("accept", "reject")]
    assert len(read(write(tmp_path, samples.json_lines(values)), notes)) == 1
    assert notes.kinds["not-accepted"].places == ["data.txt:2 reject"]
    cancelled = {"was_cancelled": True, "result": []}
    tasks = [{"data": {"text": "a"}, "annotations": a} for a in ([], [cancelled], [{"result": []}])]
    assert len(read(write(tmp_path, json.dumps(tasks)), notes)) == 1
    assert notes.kinds["not-annotated"].places == ["data.txt#1", "data.txt#2"]


def test_label_studio_counts_utf16_units(tmp_path):
    value = {"start": 3, "end": 7, "text": "Oslo", "labels": ["LOC"]}
    task = {"data": {"note": "😀 Oslo"}, "annotations": [{"result": [{"value": value}]}]}
    (sentence,) = read(write(tmp_path, json.dumps([task])))
    assert tags_to_spans(sentence.tags) == [(1, 2, "LOC")]
    value["text"] = "Rome"
    with pytest.raises(FormatError, match="record 1: offsets 3:7 hold 'slo', expected 'Rome'"):
        read(write(tmp_path, json.dumps([task])))


def test_prodigy_tokens_are_kept_if_they_fit(tmp_path):
    tokens = [{"start": 0, "end": 8}, {"start": 9, "end": 12}]
    value = {"text": "New York won", "tokens": tokens, "spans": []}
    notes = Notes()
    assert read(write(tmp_path, samples.json_lines([value])), notes)[0].words == ["New York", "won"]
    tokens[1]["start"] = 10
    assert read(write(tmp_path, samples.json_lines([value])), notes)[0].words[0] == "New"
    assert notes.kinds["foreign-tokens"].places == ["data.txt:1"]


def test_docbin_of_spacy(tmp_path):
    vocab = Vocab()
    words = ["Oslo", "won", ".", "Rome", "lost"]
    docs = [
        Doc(vocab, words, [True, False, True, True, False], ents=["B-LOC", "O", "O", "B-LOC", "O"],
            sent_starts=[True, False, False, True, False]),
        Doc(vocab, ["No", "spaces", "known", "."], ents=["O"] * 4),
        Doc(vocab),
        Doc(vocab, ["Unknown"], [False]),
    ]  # fmt: skip
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    notes = Notes()
    data = open_data(tmp_path / "a.spacy")
    sentences = list(data.sentences(notes))
    assert data.format == "spacy"
    assert [sentence.words for sentence in sentences] == [
        ["Oslo", "won", "."], ["Rome", "lost"], ["No", "spaces", "known", "."], ["Unknown"],
    ]  # fmt: skip
    assert [sentence.document for sentence in sentences] == [1, 1, 2, 4]
    assert sentences[0].tags == ["B-LOC", "O", "O"]
    assert sentences[2].spaces is None
    assert sentences[0].spaces == [True, False, True]
    assert notes.kinds["missing-annotation"].places == ["a.spacy#4"]
    (tmp_path / "b.spacy").write_bytes((tmp_path / "a.spacy").read_bytes()[:-9])
    with pytest.raises(FormatError, match="no DocBin"):
        read(tmp_path / "b.spacy")


WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
VISIBLE = WORD.filter(lambda word: word == word.strip() and word.isprintable())


@st.composite
def doc_data(draw, words):
    """One Doc with spaces, entities and either marked or unknown sentences."""
    tokens = draw(st.lists(words, min_size=1, max_size=8))
    n = len(tokens)
    spaces = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    edges = sorted(draw(st.sets(st.integers(0, n), max_size=4)))
    spans = [(a, b, draw(st.sampled_from(["PER", "LOC"]))) for a, b in itertools.pairwise(edges)]
    inside = {i for a, b, _ in spans for i in range(a + 1, b)}
    starts = sorted({0} | draw(st.sets(st.integers(0, n - 1))) - inside)
    # of a Doc of one token, spaCy always knows the sentence
    return DocData(tokens, spaces, spans, draw(st.sampled_from([starts, []])) if n > 1 else [0])


def read_docs(path, notes=None):
    docs = {}
    for sentence in open_data(path).sentences(notes):
        docs.setdefault(sentence.document, []).append(sentence)
    return [sentences_to_doc_data(sentences, spacer=None) for sentences in docs.values()]


def write_docs(path, docs):
    writer = open_writer(path, n_tokens=sum(len(doc.words) for doc in docs))
    for doc in docs:
        writer.add(doc)
    writer.close()


@settings(max_examples=60, deadline=None)
@given(docs=st.lists(doc_data(WORD), min_size=1, max_size=3))
def test_docbin_read_of_write_is_the_same(tmp_path_factory, docs):
    path = tmp_path_factory.mktemp("docbin") / "a.spacy"
    write_docs(path, docs)
    assert read_docs(path) == docs
    # spaCy's own reading agrees, and so does its own writing
    theirs = list(DocBin().from_disk(path).get_docs(Vocab()))
    vocab = Vocab()
    ours = [doc_data_to_doc(doc, vocab) for doc in docs]
    for their, our in zip(theirs, ours, strict=True):
        assert their.text == our.text
        assert not their.has_unknown_spaces
        assert [t.is_sent_start for t in their] == [t.is_sent_start for t in our]
        assert [(t.text, t.ent_iob_, t.ent_type_) for t in their] == [
            (t.text, t.ent_iob_, t.ent_type_) for t in our
        ]


@settings(max_examples=60, deadline=None)
@given(docs=st.lists(doc_data(VISIBLE), min_size=1, max_size=3))
def test_json_lines_read_of_write_is_the_same(tmp_path_factory, docs):
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    write_docs(path, docs)
    assert read_docs(path) == docs


@settings(max_examples=60, deadline=None)
@given(docs=st.lists(doc_data(VISIBLE), min_size=1, max_size=3))
def test_columns_read_of_write_are_the_same(tmp_path_factory, docs):
    path = tmp_path_factory.mktemp("conll") / "a.conll"
    write_docs(path, docs)
    spacer = Spacer("en")
    expected = [(doc.words, doc.spans, doc.starts or [0]) for doc in docs]
    found = {}
    for sentence in open_data(path, format="conll").sentences():
        found.setdefault(sentence.document, []).append(sentence)
    docs = [sentences_to_doc_data(sentences, spacer=spacer) for sentences in found.values()]
    assert [(doc.words, doc.spans, doc.starts) for doc in docs] == expected


def test_columns_refuse_what_they_cannot_hold(tmp_path):
    writer = open_writer(tmp_path / "a.conll", n_tokens=1)
    with pytest.raises(ValueError, match="a column file cannot hold a tab"):
        writer.add(DocData(["a\tb"], [False], [], []))
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_writers_know_their_endings(tmp_path):
    with pytest.raises(ValueError, match=r"expected a file ending in .spacy, .jsonl, .conll"):
        open_writer(tmp_path / "a.csv", n_tokens=1)
    with pytest.raises(ValueError, match=r"a .spacy file holds at most"):
        open_writer(tmp_path / "a.spacy", n_tokens=2**28)
    writer = open_writer(tmp_path / "a.spacy", n_tokens=3)
    with pytest.raises(ValueError, match="0 tokens were added, expected 3"):
        writer.close()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


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
        ("text,labels\na b,O\n", "line 2: 2 words and 1 tags, expected one tag for each word"),
        ("text,labels\n,\n", "line 2: 0 words and 0 tags"),
        ("a|X|O b|X\n", r"line 1: 'b\|X', expected word\|TAG|line 1: tag 'X'"),
        ("a|X|O\nb|X\n", r"line 2: 'b\|X', expected word\|POS\|TAG"),
        ('{"text": "a"', "line 1: broken JSON"),
        ('{"text": "a"}\n', "line 1: JSON of an unknown kind"),
        ('{"text": "a", "spans": []}\n5\n', "line 2: 5, expected an object"),
        ('{"text": "a", "label": [[0, 1]]}\n', r"line 1: a list, expected \[start, end, label\]"),
        ("[]", "no sentence|nothing"),
    ],
)
def test_other_faults(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        survey_file(open_data(write(tmp_path, text)))


def test_other_faults_of_label_studio(tmp_path):
    with pytest.raises(FormatError, match="an object, expected a JSON list of tasks"):
        read(write(tmp_path, "{}"), format="label-studio")
    task = {"data": {"a": "x", "b": "y"}, "annotations": [{"result": []}]}
    with pytest.raises(FormatError, match="record 1: data fields a, b, expected one text"):
        read(write(tmp_path, json.dumps([task])))
    task = {"data": {"text": "Oslo"}, "annotations": [{"result": []}, {"result": []}]}
    notes = Notes()
    assert read(write(tmp_path, json.dumps([task])), notes)[0].words == ["Oslo"]
    assert notes.kinds["several-annotations"].places == ["data.txt#1"]


def test_an_empty_text_is_left_out_and_counted(tmp_path):
    values = [{"text": "", "spans": []}, {"text": "a", "spans": []}]
    notes = Notes()
    assert len(read(write(tmp_path, samples.json_lines(values)), notes)) == 1
    assert notes.kinds["empty-text"].places == ["data.txt:1"]


def test_a_tools_token_with_a_blank_is_cut_without_it(tmp_path):
    tokens = [{"start": 0, "end": 8}, {"start": 9, "end": 12}]
    spans = samples.as_dicts([(4, 8, "LOC")])
    value = {"text": "New York won", "tokens": tokens, "spans": spans}
    (sentence,) = read(write(tmp_path, samples.json_lines([value])))
    doc = sentences_to_doc_data([sentence], spacer=None)
    assert (doc.words, doc.text) == (["New", "York", "won"], "New York won")
    assert doc.spans == [(1, 2, "LOC")]


def test_two_schemes_in_one_file(tmp_path):
    path = write(tmp_path, "a S-PER\nb U-PER\n\n")
    with pytest.raises(FormatError, match=r"data.txt: Tags of two schemes in one file"):
        survey_file(open_data(path))


@settings(max_examples=100, deadline=None)
@given(
    text=st.text("aB. \n-'5😀", min_size=1, max_size=14),
    edges=st.lists(st.integers(0, 14), max_size=6),
)
def test_any_spans_keep_text_and_offsets(tmp_path_factory, text, edges):
    edges = sorted(min(edge, len(text)) for edge in edges)
    spans = [
        (a, b, "X") for a, b in zip(edges[::2], edges[1::2], strict=False) if text[a:b].strip()
    ]
    path = tmp_path_factory.getbasetemp() / "spans.jsonl"
    value = {"text": text, "spans": samples.as_dicts(spans)}
    path.write_text(samples.json_lines([value]))
    (sentence,) = read(path)
    doc = doc_data_to_doc(sentences_to_doc_data([sentence], spacer=None), Vocab())
    assert doc.text == text
    trimmed = []
    for a, b, label in spans:
        start = a + len(text[a:b]) - len(text[a:b].lstrip())
        trimmed.append((start, start + len(text[a:b].strip()), label))
    assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == trimmed
