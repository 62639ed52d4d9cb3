"""Heads that get another number of tags: made anew, or with what they know."""

import numpy as np
import pytest
import spacy
from support.listening import make_examples as make_read_examples
from support.listening import make_transformer
from support.pipelines import DATA, make_examples, make_nlp, read_ents, train
from thinc.api import Adam, fix_random_seed

MORE = [*DATA, ("IBM is big", [(0, 3, "ORG")])]
PIECES = {
    "@architectures": "spacy-bert-ner.PieceClassifier.v1",
    "tok2vec": {"@architectures": "spacy-bert-ner.PieceListener.v1"},
}
HEADS = [{"decoder": "crf"}, {"decoder": "valid"}, {"decoder": "valid", "hidden": 8}]


def read_weights(pipe):
    """The last layer's weights and biases, by tag, and the learned steps."""
    layer = pipe.model.get_ref("tag_scores").shims[0]._model[-1]
    steps = pipe.model.get_ref("transitions").get_param("T") if pipe.has_transitions else None
    return layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy(), steps


@pytest.mark.parametrize(("head", "is_loaded"), [(HEADS[0], False), *((x, True) for x in HEADS)])
def test_initialize_with_other_labels_makes_a_head_of_their_size(head, is_loaded, tmp_path):
    nlp = make_nlp(model=head)
    train(nlp, n_steps=1)
    if is_loaded:
        nlp.to_disk(tmp_path / "first")
        nlp = spacy.load(tmp_path / "first")
    examples = make_examples(nlp, MORE)
    train(nlp, examples=examples)
    pipe = nlp.get_pipe("ner")
    assert pipe.labels == ("LOC", "PER", "ORG")
    assert read_weights(pipe)[0].shape[0] == len(pipe.tags) == 7
    nlp.to_disk(tmp_path / "second")
    for trained in (nlp, spacy.load(tmp_path / "second")):
        assert read_ents(trained(MORE[2][0])) == [("IBM", "ORG")]


@pytest.mark.parametrize("label_all_pieces", [False, True])
def test_a_head_of_pieces_is_made_anew_or_widened(get_encoder, label_all_pieces):
    nlp = spacy.blank("en")
    transformer = make_transformer(get_encoder(), pooling="pieces")
    nlp.add_pipe("transformer", config={"model": transformer})
    nlp.add_pipe("bert_ner", config={"model": {**PIECES, "label_all_pieces": label_all_pieces}})
    nlp.initialize(lambda: make_read_examples(nlp))
    pipe = nlp.get_pipe("bert_ner")
    pipe.initialize(lambda: make_read_examples(nlp), nlp=nlp, labels=["PER", "LOC", "ORG"])
    assert read_weights(pipe)[0].shape[0] == len(pipe.tags) == 7
    pipe.add_label("MISC")
    nlp.update(make_read_examples(nlp), sgd=Adam(0.01))
    assert read_weights(pipe)[0].shape[0] == len(pipe.tags) == 9
    nlp("Alex lives in London")


@pytest.mark.parametrize(("head", "scheme"), [(HEADS[0], "IOB2"), (HEADS[2], "BILOU")])
def test_a_label_is_added_to_a_trained_head_which_keeps_what_it_knows(head, scheme, tmp_path):
    nlp = make_nlp(model=head, scheme=scheme)
    train(nlp)
    pipe = nlp.get_pipe("ner")
    weights, biases, steps = read_weights(pipe)
    known = [read_ents(nlp(text)) for text, _ in DATA]
    assert all(known)
    assert [pipe.add_label("ORG"), pipe.add_label("ORG")] == [1, 0]
    wider, wider_biases, wider_steps = read_weights(pipe)
    n_tags = len(weights)
    assert wider.shape[0] == len(pipe.tags) > n_tags
    np.testing.assert_array_equal(wider[:n_tags], weights)
    np.testing.assert_array_equal(wider_biases[:n_tags], biases)
    if steps is not None:
        at = np.ix_([*range(n_tags), -1], [*range(n_tags), -1])
        np.testing.assert_array_equal(wider_steps[at], steps)
    assert [read_ents(nlp(text)) for text, _ in DATA] == known
    fix_random_seed(0)
    optimizer, examples = nlp.resume_training(), make_examples(nlp, MORE)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path)
    for trained in (nlp, spacy.load(tmp_path)):
        assert [read_ents(trained(text)) for text, _ in MORE] == [*known, [("IBM", "ORG")]]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("labels", [["PER"], ["ORG", "PER", "LOC", "MISC"]])
def test_weights_of_other_labels_are_loaded_into_a_head_that_has_some(head, labels, tmp_path):
    nlp = make_nlp(model=head)
    train(nlp)
    known, data = [read_ents(nlp(text)) for text, _ in DATA], nlp.to_bytes()
    nlp.to_disk(tmp_path)
    other = make_nlp(model=head)
    pipe = other.get_pipe("ner")
    pipe.initialize(lambda: make_examples(other), nlp=other, labels=labels)
    before = read_weights(pipe)[0]
    other.from_bytes(data, exclude=["ner"])
    pipe.from_bytes(nlp.get_pipe("ner").to_bytes(), exclude=["model", "cfg"])
    np.testing.assert_array_equal(read_weights(pipe)[0], before)
    for load in (lambda: other.from_bytes(data), lambda: other.from_disk(tmp_path)):
        pipe.add_label("NEW")
        # Gradients of the old size are dropped.
        other.update(make_examples(other), sgd=False)
        load()
        assert [read_ents(other(text)) for text, _ in DATA] == known
        assert pipe.labels == nlp.get_pipe("ner").labels
    other.update(make_examples(other), sgd=Adam(0.01))


def test_a_label_added_to_balanced_weights_counts_once():
    loss = {"@losses": "spacy-bert-ner.TagLoss.v1", "class_weights": "balanced"}
    nlp = make_nlp(model={"decoder": "valid"}, loss=loss)
    train(nlp, n_steps=1)
    pipe = nlp.get_pipe("ner")
    weights = list(pipe.cfg["tag_weights"])
    pipe.add_label("ORG")
    assert pipe.cfg["tag_weights"] == [*weights, 1.0, 1.0]
    nlp.update(make_examples(nlp, MORE))
