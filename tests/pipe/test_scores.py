"""Scores of entities: where they are kept and what they mean."""

import pickle
import warnings

import numpy as np
import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from support.pipelines import DATA, EXPECTED, make_nlp, read_ents, read_scores, train

from spacy_bert_ner.decode import annotate
from spacy_bert_ner.score.scorer import judge_entities

TEXT = DATA[0][0]


def test_entities_have_the_scores_of_the_doc(trained):
    doc = trained(TEXT)
    assert [ent._.score for ent in doc.ents] == [row[3] for row in doc._.ent_scores]
    assert all(0 < ent._.score < 1 for ent in doc.ents)
    assert doc[0:1]._.score is None
    assert Span(doc, 0, 2, label="LOC")._.score is None
    assert trained.make_doc(TEXT)[0:2]._.score is None
    assert trained("").ents == ()


def test_a_second_component_leaves_the_scores_of_the_first_alone():
    nlp = make_nlp()
    train(nlp)
    other = make_nlp(spans_key="mine")
    train(other, n_steps=10)
    nlp.add_pipe("ner", name="other", source=other)
    nlp.get_pipe("other").cfg["temperature"] = 3.0
    doc, alone = nlp(TEXT), nlp.make_doc(TEXT)
    alone = nlp.get_pipe("ner")(alone)
    assert [span.text for span in doc.spans["mine"]] == [ent.text for ent in doc.ents]
    assert read_scores(doc) == read_scores(alone)
    theirs = doc.spans["mine"].attrs["scores"].tolist()
    assert theirs != [score for _, score in read_scores(doc)]
    judged = judge_entities(Example(doc, nlp.make_doc(TEXT)), "mine")
    assert [score for _, score, _ in judged] == []
    gold = nlp.make_doc(TEXT)
    gold.spans["mine"] = []
    assert [score for _, score, _ in judge_entities(Example(doc, gold), "mine")] == theirs


def test_scores_go_with_the_entities_that_they_are_of():
    nlp = make_nlp()
    train(nlp)
    doc = nlp(TEXT)
    doc.ents = doc.ents[:1]
    nlp.get_pipe("ner").threshold = 1.0
    doc = nlp.get_pipe("ner")(doc)
    assert len(read_scores(doc)) == len(doc._.ent_scores) == 1
    doc.ents = []
    doc = nlp.get_pipe("ner")(doc)
    doc.ents = [Span(doc, 0, 2, label="PER")]
    assert read_scores(doc) == [("Alex Smith", None)]


def test_a_finished_doc_is_looked_at_as_if_it_were_not():
    nlp = make_nlp()
    train(nlp)
    pipe = nlp.get_pipe("ner")
    with nlp.select_pipes(disable=["ner"]):
        doc = nlp(TEXT)
    probs, readings = pipe.predict_tag_probs(doc), pipe.predict_readings(doc)
    done = nlp(TEXT)
    assert read_ents(done) == EXPECTED[0]
    np.testing.assert_allclose(pipe.predict_tag_probs(done), probs)
    assert pipe.predict_readings(done) == readings
    assert read_ents(done) == EXPECTED[0]
    # What others have found still stands in the way.
    done.ents = [Span(done, 0, 2, label="OTHER")]
    np.testing.assert_allclose(pipe.predict_tag_probs(done)[:2, 0], 1.0)


def test_scores_survive_every_way_to_keep_a_doc(trained, tmp_path):
    doc = trained(TEXT)
    doc.to_disk(tmp_path / "doc")
    bin_bytes = DocBin(docs=[doc], store_user_data=True).to_bytes()
    copies = [
        Doc(trained.vocab).from_bytes(doc.to_bytes()),
        Doc(trained.vocab).from_disk(tmp_path / "doc"),
        next(iter(DocBin().from_bytes(bin_bytes).get_docs(trained.vocab))),
        doc.copy(),
        pickle.loads(pickle.dumps(doc)),
        Doc(trained.vocab).from_json(doc.to_json(underscore=["ent_scores"])),
        doc[:].as_doc(copy_user_data=True),
        Doc.from_docs([doc]),
    ]
    for kept in copies:
        assert read_scores(kept) == read_scores(doc)
        assert kept._.ent_scores == doc._.ent_scores
    assert len(read_scores(doc)) == 2


def test_scores_go_with_their_entities_into_parts_and_joined_docs(trained):
    first, second = trained(TEXT), trained("is it in London")
    expected = read_scores(first) + read_scores(second)
    assert len(expected) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined = Doc.from_docs([first, second, trained("")])
        tail = joined[2:].as_doc(copy_user_data=True)
    assert read_scores(joined) == expected
    assert read_scores(tail) == expected[1:]
    assert read_scores(tail[:].as_doc()) == [(text, None) for text, _ in expected[1:]]


def test_scores_survive_merged_and_split_tokens(trained):
    doc = trained(TEXT)
    expected = read_scores(doc)
    with doc.retokenize() as retokenizer:
        for ent in doc.ents:
            retokenizer.merge(ent)
    assert read_scores(doc) == expected
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[1], ["li", "ves"], heads=[doc[1], doc[1]])
    assert read_scores(doc) == expected


def test_scores_come_back_from_other_processes_and_through_the_cleaner(trained, tmp_path):
    nlp = make_nlp()
    nlp.from_bytes(trained.to_bytes())
    nlp.add_pipe("doc_cleaner")
    alone = [read_scores(nlp(text)) for text, _ in DATA]
    piped = nlp.pipe([text for text, _ in DATA], n_process=2, batch_size=1)
    assert [read_scores(doc) for doc in piped] == alone
    assert alone[0]


def test_extensions_are_registered_once_and_others_are_kept():
    getter = Span.get_extension("score")
    annotate.register_extensions()
    assert Span.get_extension("score") == getter
    Span.set_extension("score", default=7, force=True)
    try:
        with pytest.warns(UserWarning, match="Another extension has the name"):
            annotate.register_extensions()
        assert Span.get_extension("score")[0] == 7
    finally:
        Span.set_extension("score", getter=annotate.get_score, force=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate.register_extensions()


@pytest.mark.parametrize("decoder", ["valid", "crf"])
def test_readings_and_tag_probabilities_agree_with_the_scores(decoder):
    nlp = make_nlp(model={"decoder": decoder})
    train(nlp, n_steps=15)
    pipe = nlp.get_pipe("ner")
    pipe.cfg["temperature"] = 1.7
    doc = nlp.make_doc("Alex lives in\nNew York")
    (spans,) = pipe.predict([doc])
    readings = pipe.predict_readings(doc, k=5**5)
    assert [prob for _, prob in readings] == sorted((p for _, p in readings), reverse=True)
    assert sum(prob for _, prob in readings) == pytest.approx(1.0)
    assert readings[0][0] == [span[:3] for span in spans]
    for span in spans:
        holding = sum(prob for others, prob in readings if span[:3] in others)
        assert span.score == pytest.approx(holding)
    probs = pipe.predict_tag_probs(doc)
    assert probs.shape == (len(doc), len(pipe.tags))
    np.testing.assert_allclose(probs.sum(axis=1), 1.0)
    begins = [sum(p for spans, p in readings if any(s[0] == i for s in spans)) for i in range(6)]
    is_b = [tag.startswith("B-") for tag in pipe.tags]
    np.testing.assert_allclose(probs[:, is_b].sum(axis=1), begins, rtol=1e-5, atol=1e-9)
    assert pipe.predict_readings(nlp.make_doc(""), k=2) == [([], 1.0)]
    assert len(pipe.predict_readings(doc, k=2)) == 2
    for text in ("", "Alex"):
        with pytest.raises(ValueError, match="'ner' got k = 0, expected 1 or more"):
            pipe.predict_readings(nlp.make_doc(text), k=0)
