"""What we write reads back the same; spaCy reads it the same."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from support import samples
from support.samples import read, write

from spacy_bert_ner.convert.docs import doc_data_to_doc, sentences_to_doc_data
from spacy_bert_ner.convert.spacing import Spacer
from spacy_bert_ner.read.data_file import open_data
from spacy_bert_ner.read.records.from_docs import find_borders
from spacy_bert_ner.read.sentence import DocData, FormatError, Notes
from spacy_bert_ner.read.writers import open_writer


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
    with pytest.raises(FormatError, match="not a DocBin"):
        read(tmp_path / "b.spacy")


WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
VISIBLE = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1, max_size=4
).filter(lambda word: word == word.strip())


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
    starts = draw(st.sampled_from([starts, []])) if n > 1 else [0]
    annotated = {i for a, b, _ in spans for i in range(a, b)}
    missing = [i for i in range(n) if i not in annotated] if draw(st.booleans()) else []
    group = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(1, 3)), max_size=2))
    spans_of = sorted({(a, min(a + size, n), "X") for a, size in group})
    groups = {"sc": spans_of} if group else {}
    return DocData(tokens, spaces, spans, starts, tuple(missing), groups)


def read_docs(path, notes=None):
    docs = {}
    for sentence in open_data(path).sentences(notes):
        docs.setdefault(sentence.document, []).append(sentence)
    return [sentences_to_doc_data(sentences, spacer=None) for sentences in docs.values()]


def write_docs(path, docs, to=None):
    writer = open_writer(path, n_tokens=sum(len(doc.words) for doc in docs), to=to)
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
    assert read_docs(path) == [doc._replace(missing=()) for doc in docs]


@settings(max_examples=60, deadline=None)
@given(docs=st.lists(doc_data(VISIBLE), min_size=1, max_size=3))
@pytest.mark.parametrize("to", ["prodigy", "hf-tokens"])
def test_records_with_tokens_read_of_write_are_the_same(tmp_path_factory, to, docs):
    path = tmp_path_factory.mktemp(to) / "a.jsonl"
    write_docs(path, docs, to)
    assert open_data(path).format == to
    keeps_missing = to == "prodigy"
    expected = [d._replace(missing=d.missing if keeps_missing else (), groups={}) for d in docs]
    # records with binary answers about one text become one record
    if keeps_missing and any(doc.missing for doc in docs):
        docs = {doc.text: doc for doc in expected}
        if len(docs) < len(expected):
            return
    assert read_documents(path, to) == expected


@settings(max_examples=60, deadline=None)
@given(docs=st.lists(doc_data(VISIBLE), min_size=1, max_size=3))
@pytest.mark.parametrize(("to", "suffix"), [("doccano", ".jsonl"), ("label-studio", ".json")])
def test_records_without_tokens_keep_text_and_offsets(tmp_path_factory, to, suffix, docs):
    path = tmp_path_factory.mktemp(to) / f"a{suffix}"
    write_docs(path, docs, to)
    found = [
        [sentences_to_doc_data([sentence], spacer=None)]
        for sentence in open_data(path, format=to).sentences()
    ]
    assert [describe(doc) for (doc,) in found] == [describe(doc) for doc in docs]


def describe(doc):
    borders = find_borders(doc)
    return doc.text, [(borders[a][0], borders[b - 1][1], label) for a, b, label in doc.spans]


def read_documents(path, to):
    """As `read_docs`, but sentences that know no document are one each."""
    docs = {}
    for i, sentence in enumerate(open_data(path).sentences()):
        docs.setdefault(sentence.document or f"s{i}", []).append(sentence)
    return [sentences_to_doc_data(sentences, spacer=None) for sentences in docs.values()]


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
    with pytest.raises(ValueError, match=r"a file ending in .spacy, .jsonl, .conll, .json"):
        open_writer(tmp_path / "a.csv", n_tokens=1)
    with pytest.raises(ValueError, match=r"268,435,456 tokens, expected at most"):
        open_writer(tmp_path / "a.spacy", n_tokens=2**28)
    writer = open_writer(tmp_path / "a.spacy", n_tokens=3)
    with pytest.raises(ValueError, match="0 tokens were added, expected 3"):
        writer.close()
    writer.discard()
    assert list(tmp_path.iterdir()) == []
