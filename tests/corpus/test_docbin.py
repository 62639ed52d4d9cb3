"""The corpus that is read once."""

import warnings

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.util import registry
from support.trainings import write_corpus


def make_corpus(path, **settings):
    config = {"@readers": "spacy-bert-ner.KeptCorpus.v1", "path": path, **settings}
    return registry.resolve({"corpus": config})["corpus"]


@pytest.mark.parametrize("settings", [{}, {"gold_preproc": True}, {"max_length": 5}, {"limit": 3}])
def test_gives_what_spacys_corpus_gives(tmp_path, settings):
    write_corpus(tmp_path)
    nlp = spacy.blank("en")
    examples = list(make_corpus(tmp_path / "dev.spacy", **settings)(nlp))
    expected = list(Corpus(tmp_path / "dev.spacy", **settings)(nlp))
    assert [eg.to_dict() for eg in examples] == [eg.to_dict() for eg in expected]
    assert [eg.predicted.text for eg in examples] == [eg.predicted.text for eg in expected]


def test_is_read_once_for_each_pipeline(tmp_path):
    write_corpus(tmp_path)
    nlp, corpus = spacy.blank("en"), make_corpus(tmp_path / "dev.spacy")
    examples = list(corpus(nlp))
    (tmp_path / "dev.spacy").unlink()
    assert all(a is b for a, b in zip(examples, corpus(nlp), strict=True))
    write_corpus(tmp_path)
    other = spacy.blank("en")
    assert all(eg.predicted.vocab is other.vocab for eg in corpus(other))


def test_evaluation_does_not_change_the_examples(tmp_path):
    write_corpus(tmp_path)
    nlp, corpus = spacy.blank("en"), make_corpus(tmp_path / "dev.spacy")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ada"}])
    assert nlp.evaluate(corpus(nlp))["ents_r"] == nlp.evaluate(corpus(nlp))["ents_r"] > 0
    assert not any(eg.predicted.ents for eg in corpus(nlp))


@settings(deadline=None, max_examples=50)
@given(
    starts=st.lists(st.booleans(), min_size=6, max_size=6),
    spans=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=6),
)
def test_sentences_keep_the_spans_that_lie_in_them(tmp_path_factory, starts, spans):
    nlp = spacy.blank("en")
    words = [f"w{i}" for i in range(6)]
    doc = Doc(nlp.vocab, words=words, sent_starts=[True, *starts[1:]])
    spans = [(start, end) for start, end in spans if start < end]
    doc.spans["food"] = [Span(doc, *span, label="A", span_id="7") for span in spans]
    doc.spans["none"] = []
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    DocBin(docs=[doc]).to_disk(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        examples = list(make_corpus(path, gold_preproc=True)(nlp))
    kept = [span for eg in examples for span in eg.reference.spans["food"]]
    inside = [(a, b) for a, b in spans if not any(starts[a + 1 : b])]
    assert sorted(span.text for span in kept) == sorted(" ".join(words[a:b]) for a, b in inside)
    assert all((span.label_, span.id_) == ("A", "7") for span in kept)
    assert all(list(eg.reference.spans["none"]) == [] for eg in examples)
    n_cut = len(set(spans) - set(inside))
    expected = f"`gold_preproc` leaves out {n_cut} gold entities across sentences, for example"
    found = [str(w.message) for w in caught if w.category is UserWarning]
    assert [text.startswith(expected) for text in found] == [True] * bool(n_cut)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gold_preproc", True, ["1 gold entities across sentences, for example 'Ada B . Lee'"]),
        ("max_length", 6, ["18 tokens of sentences that are too long", "1 gold entities across"]),
        ("max_length", 20, []),
    ],
)
def test_what_sentences_leave_out_is_counted(tmp_path, name, value, expected):
    nlp = spacy.blank("en")
    words = ["Ada", "B", ".", "Lee", "sings", ".", "Rome", "is", "very", "far", "away", "."]
    starts = [word in ("Ada", "Lee", "Rome") for word in words]
    docs = [Doc(nlp.vocab, words=words, sent_starts=starts), Doc(nlp.vocab, words=words)]
    docs[0].ents = [Span(docs[0], 0, 4, label="PER"), Span(docs[0], 4, 5, label="ACT")]
    docs[0].spans["food"] = [*docs[0].ents]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        examples = list(make_corpus(tmp_path / "a.spacy", **{name: value})(nlp))
    found = [str(w.message) for w in caught if w.category is UserWarning]
    assert len(found) == len(expected)
    for message, text in zip(found, expected, strict=True):
        assert message.startswith(f"`{name}` leaves out {text}")
    groups = [eg.reference.spans["food"] for eg in examples if "food" in eg.reference.spans]
    kept = [span.text for group in groups for span in group]
    assert kept == [ent.text for eg in examples for ent in eg.reference.ents]
    assert kept[-1] == "sings"


def test_path_is_needed():
    with pytest.raises(ValueError, match="E913"):
        make_corpus(None)


@pytest.mark.parametrize("damage", ["cut", "flip", "delete", "other"])
@pytest.mark.parametrize("name", ["train.spacy", "dev.spacy"])
def test_a_damaged_file_is_named(tmp_path, damage, name):
    write_corpus(tmp_path)
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(
            {"cut": data[: len(data) // 2], "flip": data, "other": b"Ada B-PER\n"}[damage]
        )
    with pytest.raises((ValueError, OSError), match=f"{name}: (no such file|cannot be read)"):
        list(make_corpus(path)(spacy.blank("en")))


def test_a_path_without_docbins_is_an_error(tmp_path):
    (tmp_path / "a.conll").write_text("Ada B-PER\n")
    for path in (tmp_path / "a.conll", tmp_path):
        with (
            warnings.catch_warnings(),
            pytest.raises(ValueError, match=r"expected a \.spacy file, or a folder"),
        ):
            warnings.simplefilter("ignore")
            list(make_corpus(path)(spacy.blank("en")))


def test_limit_counts_all_files_of_a_folder(tmp_path):
    write_corpus(tmp_path, n_dev=3)
    assert len(list(make_corpus(tmp_path, limit=5)(spacy.blank("en")))) == 5
