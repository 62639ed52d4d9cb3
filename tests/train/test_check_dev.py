"""A dev part that can't choose the best model is an error before the first step."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from support.runs import run
from support.trainings import write_corpus

from spacy_bert_ner.train.check_dev import check_dev

VOCAB = spacy.blank("en").vocab
ENTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_per_type": None}


def make_docs(kind):
    if kind == "none":
        return []
    doc = Doc(VOCAB, words=[] if kind == "empty" else ["Ada", "sings"])
    if kind in ("outside", "entities"):
        doc.ents = [Span(doc, 0, 1, label="PER")] if kind == "entities" else []
    if kind == "group":
        doc.spans["food"] = [Span(doc, 0, 1, label="PER")]
    return [doc]


def check(tmp_path, kind, weights):
    DocBin(docs=make_docs(kind), attrs=["ENT_IOB", "ENT_TYPE"]).to_disk(tmp_path / "dev.spacy")
    examples = Corpus(tmp_path / "dev.spacy")(spacy.blank("en"))
    check_dev(examples, {"dev_corpus": "corpora.dev", "score_weights": weights})


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("none", ENTS, "corpora.dev: no docs with tokens, expected dev data"),
        ("none", {"tag_acc": 1.0}, "corpora.dev: no docs with tokens, expected dev data"),
        ("empty", ENTS, "corpora.dev: no docs with tokens, expected dev data"),
        ("bare", ENTS, "corpora.dev: no entity annotation in 1 doc, so every evaluation"),
        ("outside", ENTS, "corpora.dev: no entity in 1 doc, so every evaluation"),
        ("entities", {"spans_food_f": 1.0}, "corpora.dev: no entity in 1 doc"),
    ],
)
def test_what_cannot_choose_is_refused(tmp_path, kind, weights, message):
    with pytest.raises(ValueError, match=message):
        check(tmp_path, kind, weights)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("entities", ENTS),
        ("group", {"spans_food_f": 1.0, "ents_f": 0.0}),
        ("bare", {"tag_acc": 0.5, "ents_f": 0.5}),
        ("bare", {}),
    ],
)
def test_what_can_choose_is_accepted(tmp_path, kind, weights):
    check(tmp_path, kind, weights)


def test_a_run_stops_before_its_first_step(tmp_path):
    write_corpus(tmp_path)
    DocBin(docs=make_docs("outside")).to_disk(tmp_path / "dev.spacy")
    with pytest.raises(ValueError, match=r"corpora.dev: no entity in 1 doc"):
        run(tmp_path)
    assert not (tmp_path / "out" / "log.jsonl").exists()


def test_a_tiny_dev_part_lets_the_run_end(tmp_path):
    write_corpus(tmp_path, n_dev=1)
    run(tmp_path)
    assert (tmp_path / "out" / "model-last").exists()
