"""Rehearsal: a component that is trained further keeps what it knew."""

import copy
import pickle

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example
from support.listening import HEADS, OURS, STOCK
from support.listening import make_nlp as make_listening
from support.pipelines import CNN, DATA, make_examples, make_nlp, train
from support.tag_problems import all_paths, problems, sum_scores

from spacy_bert_ner.decode.entities import TagModel
from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.pipe.rehearsal import compare_scores
from spacy_bert_ner.tag.tag_rows import TagRows
from spacy_bert_ner.tag.words import Words

PIECES = {
    "@architectures": "spacy-bert-ner.PieceClassifier.v1",
    "aggregation": "average",
    "tok2vec": {"@architectures": "spacy-bert-ner.PieceListener.v1"},
}
NEW = [("London calls Alex Smith", [(0, 6, "PER"), (13, 23, "LOC")])]


@given(problems(), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_distance_is_that_of_all_paths_and_its_gradients_are_exact(problem, is_crf, seed):
    tag_set, scores, is_start, transitions = problem
    rng = np.random.default_rng(seed)
    scores, n = scores.astype("float64"), len(scores)
    taught = TagRows(rng.normal(size=scores.shape), [n], None)
    tutor = TagModel(tag_set, rng.normal(size=transitions.shape) if is_crf else None)
    words = Words(np.arange(n), is_start, np.zeros(n, dtype=bool))

    def compute():
        model = TagModel(tag_set, transitions if is_crf else None)
        return compare_scores(TagRows(scores, [n], None), taught, words, model, tutor)

    if is_crf:
        paths = all_paths(is_start, tag_set)
        sums = [
            np.array([sum_scores(path, X, is_start, T) for path in paths])
            for X, T in ((scores, transitions), (taught.X, tutor.transitions))
        ]
        p, q = [x - np.logaddexp.reduce(x) for x in sums]
    else:
        p, q = [X - np.logaddexp.reduce(X, axis=1, keepdims=True) for X in (scores, taught.X)]
    distance, d_scores, d_steps = compute()
    assert distance == pytest.approx((np.exp(q) * (q - p)).sum() / n, abs=1e-9)
    check_slope(lambda: compute()[0], scores, d_scores, seed)
    if is_crf:
        check_slope(lambda: compute()[0], transitions, d_steps, seed)
    else:
        assert d_steps is None


def check_slope(compute, array, gradient, seed):
    cell = np.unravel_index(seed % array.size, array.shape)
    kept, found = array[cell], []
    for change in (1e-5, -1e-5):
        array[cell] = kept + change
        found.append(compute())
    array[cell] = kept
    assert (found[0] - found[1]) / 2e-5 == pytest.approx(gradient[cell], abs=1e-6)


@pytest.mark.parametrize("decoder", ["crf", "valid"])
def test_what_was_unlearned_comes_back(decoder):
    nlp = make_nlp(model={"decoder": decoder})
    train(nlp)
    before = probs(nlp)
    optimizer = nlp.resume_training()
    for _ in range(20):
        nlp.update(make_examples(nlp, NEW), sgd=optimizer)
    forgotten = np.abs(probs(nlp) - before).max()
    raw = [Example.from_dict(nlp.make_doc(text), {}) for text, _ in DATA]
    first = nlp.rehearse(raw, sgd=optimizer)["ner"]
    for _ in range(40):
        losses = nlp.rehearse(raw, sgd=optimizer)
    assert losses["ner"] < first / 10
    assert np.abs(probs(nlp) - before).max() < forgotten / 3


def probs(nlp, texts=tuple(text for text, _ in DATA)):
    ner = nlp.get_pipe("ner")
    return np.concatenate([ner.predict_tag_probs(nlp.make_doc(text)) for text in texts])


def make_pair(folder, kind):
    if kind == "stock":
        nlp = spacy.blank("en")
        nlp.add_pipe("transformer", config={"model": {"name": str(folder)}})
        nlp.add_pipe("bert_ner", config={"model": {**HEADS["bert_ner"]["model"], "tok2vec": STOCK}})
    else:
        options = {"pooling": "pieces"} if kind == "pieces" else {}
        nlp = make_listening(folder, ["tagger"], n_steps=0, dropout=0.0, **options)
        if kind == "pieces":
            nlp.remove_pipe("tagger")
        model = PIECES if kind == "pieces" else {**HEADS["bert_ner"]["model"], "tok2vec": OURS}
        nlp.add_pipe("bert_ner", config={"model": model}, after="transformer")
    examples = [Example.from_dict(nlp.make_doc("Alex lives in Rome"), EXAMPLE)]
    nlp.initialize(lambda: examples)
    return nlp, examples


EXAMPLE = {"entities": [(0, 4, "PER"), (14, 18, "LOC")], "tags": list("NVPN")}


@pytest.mark.parametrize("kind", ["ours", "stock", "pieces"])
def test_a_pipeline_with_a_transformer_rehearses_with_each_call(get_encoder, kind):
    nlp, examples = make_pair(get_encoder(), kind)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    raw = [Example.from_dict(nlp.make_doc(eg.text), {}) for eg in examples]
    # The old state is that of now: there is nothing to learn yet.
    assert nlp.rehearse(raw, sgd=optimizer, exclude=["tagger"])["bert_ner"] < 1e-4
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    found = []
    # spaCy itself would lose the gradients in every second call.
    for _ in range(8):
        weights = nlp.get_pipe("transformer").model.to_bytes(), nlp.get_pipe("bert_ner").to_bytes()
        found.append(nlp.rehearse(raw, sgd=optimizer, exclude=["tagger"])["bert_ner"])
        now = nlp.get_pipe("transformer").model.to_bytes(), nlp.get_pipe("bert_ner").to_bytes()
        assert now[0] != weights[0]
        assert now[1] != weights[1]
    assert found[-1] < found[0] / 2
    # The other listener learns again, and prediction works.
    assert nlp.update(examples, sgd=optimizer)
    assert len(nlp("Alex lives in Rome")) == 4


def test_a_disabled_transformer_does_not_learn(get_encoder):
    nlp, examples = make_pair(get_encoder(), "ours")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    nlp.update(examples, sgd=optimizer)
    encoder = get_shim(nlp.get_pipe("transformer").model).to_bytes()
    head = nlp.get_pipe("bert_ner").to_bytes()
    with nlp.select_pipes(enable=["bert_ner"]):
        nlp.rehearse(examples, sgd=optimizer)
    # The tagger is disabled too.
    assert get_shim(nlp.get_pipe("transformer").model).to_bytes() == encoder
    assert nlp.get_pipe("bert_ner").to_bytes() != head


@pytest.mark.parametrize("decoder", ["crf", "valid"])
def test_labels_that_were_added_later_are_left_alone(decoder):
    nlp = make_nlp(model={"decoder": decoder})
    train(nlp, 20)
    optimizer = nlp.resume_training()
    ner = nlp.get_pipe("ner")
    ner.add_label("NEW")
    new = [Example.from_dict(nlp.make_doc("London calls"), {"entities": [(7, 12, "NEW")]})]
    for _ in range(30):
        nlp.update(new, sgd=optimizer)
        nlp.rehearse(make_examples(nlp), sgd=optimizer)
    assert [ent.label_ for ent in nlp("London calls").ents][-1] == "NEW"
    ner.initialize(lambda: make_examples(nlp, [("a b", [(0, 1, "X")])]), labels=["X"])
    ner._set_labels(["X", "Y"])
    with pytest.raises(ValueError, match=r"labels of 'ner' have changed .* \(X, Y\)"):
        nlp.rehearse(make_examples(nlp), sgd=optimizer)


def test_rehearsal_without_an_earlier_state_is_refused(get_encoder):
    nlp = make_nlp(model={"tok2vec": CNN})
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    with pytest.raises(ValueError, match=r"'ner' has no earlier state .*resume_training"):
        nlp.rehearse(make_examples(nlp), sgd=optimizer)
    assert nlp.rehearse(make_examples(nlp, [(" ", [])]), sgd=optimizer) == {"ner": 0.0}
    listening, examples = make_pair(get_encoder(), "ours")
    for other in (copy.deepcopy(listening), pickle.loads(pickle.dumps(listening))):
        optimizer = other.resume_training()
        with pytest.raises(ValueError, match=r"'bert_ner' can't rehearse: it was copied"):
            other.rehearse(examples, sgd=optimizer, exclude=["tagger"])
