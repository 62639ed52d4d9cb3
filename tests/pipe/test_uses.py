"""Ordinary uses of a pipeline with a transformer: the same entities in each."""

import copy

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from support.listening import HEADS, OURS, make_examples, make_nlp, make_transformer

TEXTS = ["Alex lives in London", "", "no one is in Paris .", "the network"]


@pytest.fixture(scope="module")
def folder(get_encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    make_nlp(get_encoder(), ["tagger", "bert_ner"], n_steps=3).to_disk(path)
    return path


def find(nlp):
    return [[(ent.text, ent.label_, ent._.score) for ent in doc.ents] for doc in nlp.pipe(TEXTS)]


def check(nlp, folder):
    expected = find(spacy.load(folder))
    assert any(expected)
    for ours, theirs in zip(find(nlp), expected, strict=True):
        assert [ent[:2] for ent in ours] == [ent[:2] for ent in theirs]
        np.testing.assert_allclose([ent[2] for ent in ours], [ent[2] for ent in theirs], rtol=1e-5)


def source_both(folder):
    other, nlp = spacy.load(folder), spacy.blank("en")
    nlp.add_pipe("transformer", source=other)
    nlp.add_pipe("bert_ner", source=other, name="names")
    return nlp


def through_bytes(folder):
    nlp = spacy.load(folder)
    return spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())


def enable_later(folder):
    nlp = spacy.load(folder, disable=["bert_ner"])
    list(nlp.pipe(TEXTS))
    nlp.enable_pipe("bert_ner")
    return nlp


def rename_both(folder):
    nlp = spacy.load(folder)
    nlp.rename_pipe("bert_ner", "names")
    nlp.rename_pipe("transformer", "encoder")
    return nlp


def replace_listeners(folder):
    nlp = spacy.load(folder)
    nlp.replace_listeners("transformer", "bert_ner", ["model.tok2vec"])
    return nlp


USES = {
    "exclude": lambda folder: spacy.load(folder, exclude=["tagger"]),
    "enable": lambda folder: spacy.load(folder, enable=["transformer", "bert_ner"]),
    "deepcopy": lambda folder: copy.deepcopy(spacy.load(folder)),
    "source": source_both,
    "bytes": through_bytes,
    "enable later": enable_later,
    "rename": rename_both,
    "replace listeners": replace_listeners,
}


@pytest.mark.parametrize("use", USES)
def test_entities_are_the_same(folder, tmp_path, use):
    nlp = USES[use](folder)
    check(nlp, folder)
    nlp.to_disk(tmp_path)
    check(spacy.load(tmp_path), folder)


def test_contexts_of_a_pipeline_leave_no_traces(folder):
    nlp = spacy.load(folder)
    with nlp.select_pipes(enable=["transformer"]):
        assert not nlp(TEXTS[0]).ents
    with nlp.use_params({}), nlp.memory_zone():
        list(nlp.pipe(["Zorblax lives in Quuxville", *TEXTS]))
    check(nlp, folder)


def test_a_copy_learns_by_itself(folder):
    nlp = spacy.load(folder)
    other = copy.deepcopy(nlp)
    optimizer = other.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(2):
        other.update(make_examples(other), sgd=optimizer)
    check(nlp, folder)
    assert find(other) != find(nlp)


def test_gradients_without_an_optimizer_wait_for_finish_update(folder):
    nlp = spacy.load(folder)
    optimizer = nlp.resume_training()
    pipes = [nlp.get_pipe(name) for name in ("transformer", "bert_ner")]
    before = [pipe.to_bytes() for pipe in pipes]
    nlp.update(make_examples(nlp), sgd=False)
    assert [pipe.to_bytes() for pipe in pipes] == before
    for pipe in pipes:
        pipe.finish_update(optimizer)
    assert all(pipe.to_bytes() != old for pipe, old in zip(pipes, before, strict=True))


def test_bfloat16_as_torch_s_default_changes_nothing(folder, tmp_path):
    nlp = spacy.load(folder)
    torch.set_default_dtype(torch.bfloat16)
    try:
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        found = find(loaded)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == find(nlp)


def test_scores_go_through_json(folder):
    nlp = spacy.load(folder)
    doc = nlp(TEXTS[0])
    copied = Doc(nlp.vocab).from_json(doc.to_json(underscore=["ent_scores"]))
    assert [ent._.score for ent in copied.ents] == [ent._.score for ent in doc.ents]


def test_two_components_on_one_transformer(get_encoder, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": make_transformer(get_encoder())})
    for name, key in (("names", None), ("spans", "group")):
        model = {**HEADS["bert_ner"]["model"], "tok2vec": OURS}
        nlp.add_pipe("bert_ner", name=name, config={"spans_key": key, "model": model})
    nlp.initialize(lambda: make_examples(nlp))
    optimizer = nlp.resume_training()
    losses = nlp.update(make_examples(nlp), sgd=optimizer)
    assert losses["names"] > 0 and losses["spans"] > 0
    nlp.to_disk(tmp_path)
    doc, again = nlp(TEXTS[0]), spacy.load(tmp_path)(TEXTS[0])
    assert [s.text for s in again.spans["group"]] == [s.text for s in doc.spans["group"]]
    assert again.ents == doc.ents or [e.text for e in again.ents] == [e.text for e in doc.ents]
