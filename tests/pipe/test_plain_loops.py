"""A pipeline with an encoder, trained by hand as spaCy's own docs do."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from support.listening import HEADS, OURS, STOCK, TRAIN, make_examples, make_nlp, make_transformer
from thinc.api import Adam

from spacy_bert_ner.encode.transformer import get_shim
from spacy_bert_ner.optimize.optimizers import make_adamw_v1, make_sgd_v1


def get_weights(nlp):
    """The weights of the encoder, and those of the head."""
    encoder = get_shim(nlp.get_pipe("transformer").model)._model
    head = nlp.get_pipe("bert_ner").model
    return [
        np.concatenate([p.detach().numpy().ravel() for p in encoder.parameters()]),
        head.get_ref("transitions").get_param("T").ravel().copy(),
    ]


def has_changed(nlp, before):
    return [bool((X != Y).any()) for X, Y in zip(get_weights(nlp), before, strict=True)]


@pytest.fixture(scope="module")
def saved(get_encoder, tmp_path_factory):
    """The folder of a pipeline with our optimizer in its config."""
    folder = tmp_path_factory.mktemp("saved")
    nlp = make_nlp(get_encoder(), dropout=0.0)
    rate = {"@schedules": "spacy-bert-ner.linear.v1", "rate": 0.01, "total_steps": 90}
    nlp.config["training"]["optimizer"] = {
        "@optimizers": "spacy-bert-ner.AdamW.v1",
        "learn_rate": {**rate, "warmup": "3 steps"},
        "layer_decay": 0.8,
    }
    nlp.to_disk(folder)
    return folder


OPTIMIZERS = {"ours": make_adamw_v1, "sgd": make_sgd_v1, "thinc": Adam, "config": None}


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_update_changes_encoder_and_head(saved, name, steps):
    nlp = spacy.load(saved)
    optimizer = OPTIMIZERS[name](0.01) if OPTIMIZERS[name] else nlp.resume_training()
    for _ in range(3):
        before = get_weights(nlp)
        nlp.update(make_examples(nlp), sgd=optimizer)
        if steps:
            optimizer.step_schedules()
        assert has_changed(nlp, before) == [True, True]


def test_update_without_an_optimizer_takes_that_of_the_config(saved):
    nlp = spacy.load(saved)
    nlp.resume_training()
    before = get_weights(nlp)
    nlp.update(make_examples(nlp))
    assert has_changed(nlp, before) == [True, True]


@pytest.mark.parametrize("name", ["ours", "thinc"])
def test_finish_update_gives_what_update_gives(saved, name):
    weights = []
    for by_hand in (False, True):
        nlp, optimizer = spacy.load(saved), OPTIMIZERS[name](0.01, grad_clip=0.0)
        for _ in range(3):
            nlp.update(make_examples(nlp), sgd=False if by_hand else optimizer)
            for _, pipe in nlp.pipeline if by_hand else ():
                if getattr(pipe, "is_trainable", False):
                    pipe.finish_update(optimizer)
        weights.append(np.concatenate(get_weights(nlp)))
    np.testing.assert_allclose(*weights, atol=1e-5)


def test_a_plain_loop_learns(saved):
    nlp = spacy.load(saved)
    optimizer = nlp.resume_training()
    # an entity that the data of training does not have
    gold = {"entities": [(0, 4, "PER"), (14, 23, "LOC")]}
    examples = [Example.from_dict(nlp.make_doc("Zorg lives in Flimville ."), gold)]
    losses = [nlp.update(examples, sgd=optimizer)["bert_ner"] for _ in range(9)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("head", "sgd"), [("bert_ner", True), ("tagger", False)])
def test_a_frozen_last_listener_does_not_stop_the_encoder(get_encoder, head, sgd):
    def train(heads, frozen):
        nlp = make_nlp(get_encoder(), heads, n_steps=0, dropout=0.0)
        optimizer = make_sgd_v1(0.1)
        for _ in range(3):
            nlp.update(make_examples(nlp), sgd=optimizer if sgd else False, exclude=frozen)
            for name, pipe in () if sgd else nlp.pipeline:
                if name not in frozen and getattr(pipe, "is_trainable", False):
                    pipe.finish_update(optimizer)
        # The last gradient is taken before the weights are used.
        nlp("Alex") if sgd else nlp.get_pipe("transformer").to_bytes()
        parameters = get_shim(nlp.get_pipe("transformer").model)._model.parameters()
        return np.concatenate([p.detach().numpy().ravel() for p in parameters])

    other = {"bert_ner": "tagger", "tagger": "bert_ner"}[head]
    alone, none = train([head], []), train([head], [head])
    np.testing.assert_allclose(train([head, other], [other]), alone, atol=1e-5)
    assert not np.allclose(alone, none, atol=1e-5)


def test_a_frozen_stock_listener_that_comes_last_is_refused(get_encoder):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    for name, listener in (("bert_ner", OURS), ("tagger", STOCK)):
        nlp.add_pipe(name, config={"model": {**HEADS[name]["model"], "tok2vec": listener}})
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = make_adamw_v1(0.01)
    nlp.update(make_examples(nlp), sgd=False, exclude=["tagger"])
    with pytest.raises(ValueError, match=r"last component that listens .* gave no gradient"):
        nlp.get_pipe("transformer").finish_update(optimizer)


def test_one_step_for_parts_of_a_batch_and_for_batches(get_encoder):
    def train(n_parts, accumulate_batches):
        nlp = make_nlp(get_encoder(), n_steps=0, dropout=0.0)
        optimizer = make_sgd_v1(0.1, accumulate_batches=accumulate_batches)
        optimizer.n_parts = n_parts
        examples = make_examples(nlp)
        parts = [examples[:2], examples[2:]]
        for i, part in enumerate(parts, start=1):
            nlp.update(part, sgd=False)
            if i % n_parts == 0:
                for _, pipe in nlp.pipeline[:2]:
                    pipe.finish_update(optimizer)
                optimizer.step_schedules()
        return np.concatenate(get_weights(nlp))

    assert len(TRAIN) == 4
    np.testing.assert_allclose(train(2, 1), train(1, 2), atol=1e-6)
