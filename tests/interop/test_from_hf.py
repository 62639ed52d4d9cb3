"""Hugging Face checkpoints as spaCy pipelines: the same scores, entities, and training."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
import spacy
import torch
from spacy.cli.train import train
from spacy.tokens import DocBin
from support.checkpoints import BUILDERS
from support.heads import NAMES, build_head
from support.scoring import FLOAT32, WORDS, read_pieces, score_alone, score_here
from transformers import AutoModelForTokenClassification

from spacy_bert_ner.fetch.fetch import FetchError
from spacy_bert_ner.interop.from_hf import NEVER, find_source, hf_to_pipeline
from spacy_bert_ner.interop.tag_columns import match_tag_columns
from spacy_bert_ner.manifest import verify
from spacy_bert_ner.tag.piece_classifier import AGGREGATIONS, join_pieces


@pytest.mark.parametrize("kind", BUILDERS)
def test_word_scores_are_those_of_transformers_on_the_first_piece(kind, tmp_path):
    folder = build_head(kind, tmp_path / "checkpoint")
    found = hf_to_pipeline(str(folder), tmp_path / "model", scheme="IOB2")
    assert found.labels == ["PER", "LOC"]
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    columns = [NAMES["IOB2"].index(tag) for tag in nlp.get_pipe("ner").tags]
    expected = score_alone(folder, WORDS)
    np.testing.assert_allclose(score_here(nlp, WORDS), expected[:, columns], atol=1e-5)


def test_a_modernbert_head_with_biases_is_read_and_one_without_gelu_refused(tmp_path):
    biases = {"classifier_bias": True, "norm_bias": True}
    folder = build_head("modernbert", tmp_path / "checkpoint", **biases)
    hf_to_pipeline(str(folder), tmp_path / "model", scheme="IOB2", aggregation="max")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    columns = [NAMES["IOB2"].index(tag) for tag in nlp.get_pipe("ner").tags]
    # one piece: nothing to combine
    expected = torch.from_numpy(score_alone(folder, ["a"])).log_softmax(dim=1).numpy()
    np.testing.assert_allclose(score_here(nlp, ["a"]), expected[:, columns], atol=1e-5)
    other = build_head("modernbert", tmp_path / "silu", classifier_activation="silu")
    with pytest.raises(ValueError, match="head of ModernBertForTokenClassification is neither"):
        hf_to_pipeline(str(other), tmp_path / "model")


def aggregate_alone(folder, words, strategy):
    """Probabilities of each word as the pipeline aggregates them."""
    logits, encoding = read_pieces(folder, " ".join(words))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    offsets = encoding["offset_mapping"][0].tolist()
    rows = []
    for start, end in pairwise(np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()):
        own = [i for i, (a, b) in enumerate(offsets) if start <= a < b < end]
        best = max(own, key=lambda i: probs[i].max())
        rows.append(probs[best] if strategy == "max" else probs[own].mean(axis=0))
    return np.asarray(rows)


@pytest.mark.parametrize("strategy", ["average", "max"])
def test_pieces_are_aggregated_as_the_pipeline_of_transformers_does(strategy, tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint")
    hf_to_pipeline(str(folder), tmp_path / "model", aggregation=strategy, scheme="IOB2")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    expected = aggregate_alone(folder, WORDS, strategy)
    columns = [NAMES["IOB2"].index(tag) for tag in nlp.get_pipe("ner").tags]
    np.testing.assert_allclose(
        np.exp(score_here(nlp, WORDS)), expected[:, columns], atol=1e-5, rtol=1e-4
    )
    docs = list(nlp.pipe(["", "Alex lives in London", "  ", "Paris"]))
    assert [len(doc.ents) for doc in docs] == [
        len(nlp(text).ents) for text in ("", "Alex lives in London", "  ", "Paris")
    ]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_joining_pieces_has_the_gradient_of_its_values(aggregation):
    rng = np.random.default_rng(0)
    X, lengths = rng.normal(size=(6, 4)), np.asarray([1, 3, 2])
    dY = rng.normal(size=(3, 4))
    _, backprop = join_pieces(X, lengths, aggregation=aggregation)
    step = 1e-6
    expected = np.zeros_like(X)
    for i in np.ndindex(X.shape):
        moved = [X.copy(), X.copy()]
        moved[0][i] += step
        moved[1][i] -= step
        up, down = (join_pieces(Y, lengths, aggregation=aggregation)[0] for Y in moved)
        expected[i] = ((up - down) * dY).sum() / (2 * step)
    np.testing.assert_allclose(backprop(dY), expected, atol=1e-7)


def test_bioes_and_io_checkpoints_find_what_their_tags_say(tmp_path):
    for scheme in ("BIOES", "IO"):
        folder = build_head("bert", tmp_path / scheme, names=NAMES[scheme])
        found = hf_to_pipeline(str(folder), tmp_path / f"{scheme}-model")
        assert found.scheme == {"BIOES": "BILOU", "IO": "IO"}[scheme]
        nlp = spacy.load(tmp_path / f"{scheme}-model", config=FLOAT32)
        scores = score_alone(folder, WORDS)
        ours = {tag: scores[:, i] for i, tag in enumerate(NAMES[scheme])}
        other = {"L": "E", "U": "S", "B": "B"} if scheme == "BIOES" else {"B": "I"}
        for column, tag in zip(score_here(nlp, WORDS).T, nlp.get_pipe("ner").tags, strict=True):
            name = other.get(tag[0], tag[0]) + tag[1:]
            np.testing.assert_allclose(column, ours[name], atol=1e-5)


def test_a_tag_that_the_checkpoint_lacks_is_never_found(tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint", names=["O", "B-LOC", "I-LOC", "B-PER"])
    hf_to_pipeline(str(folder), tmp_path / "model", scheme="IOB2")
    nlp = spacy.load(tmp_path / "model")
    scores = score_here(nlp, WORDS)
    assert scores[:, nlp.get_pipe("ner").tags.index("I-PER")].tolist() == [NEVER] * len(WORDS)


def test_published_conll_checkpoints_are_told_by_what_they_find(tmp_path):
    names = ["O", "B-LOC", "I-LOC"]
    found = {}
    for first in (1, 2):
        folder = build_head("bert", tmp_path / str(first), names=names)
        model = AutoModelForTokenClassification.from_pretrained(folder)
        torch.nn.init.zeros_(model.classifier.weight)
        # every word is I-LOC, or every word is B-LOC
        model.classifier.bias.data = torch.tensor([0.0, 1.0, 1.0])
        model.classifier.bias.data[first] = 2.0
        model.save_pretrained(folder)
        found[names[first]] = hf_to_pipeline(str(folder), tmp_path / "model").scheme
    assert found == {"I-LOC": "IOB1", "B-LOC": "IOB2"}


def test_a_pipeline_says_where_it_comes_from_and_can_be_verified(tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint")
    found = hf_to_pipeline(f"dir:{folder}", tmp_path / "model", lang="de")
    nlp = spacy.load(tmp_path / "model")
    assert nlp.lang == "de"
    assert nlp.meta["sources"][0]["name"] == "checkpoint"
    assert json.loads((tmp_path / "model/encoder.lock.json").read_text()) == found.lock
    assert verify(tmp_path / "model") > 5
    assert str(tmp_path) not in (tmp_path / "model/config.cfg").read_text()


@pytest.mark.parametrize("aggregation", ["first", "average"])
def test_spacy_train_goes_on_from_it(aggregation, tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint")
    hf_to_pipeline(str(folder), tmp_path / "model", aggregation=aggregation, scheme="IOB2")
    nlp = spacy.load(tmp_path / "model")
    doc = nlp.make_doc("Alex lives in London")
    doc.ents = [doc.char_span(0, 4, label="PER"), doc.char_span(14, 20, label="LOC")]
    DocBin(docs=[doc] * 16, store_user_data=True).to_disk(tmp_path / "train.spacy")
    paths = {f"paths.{name}": str(tmp_path / "train.spacy") for name in ("train", "dev")}
    changes = {"batcher.sentences": 1, "max_epochs": 6, "optimizer.learn_rate.rate": 0.003}
    overrides = {**paths, **{f"training.{key}": value for key, value in changes.items()}}
    train(tmp_path / "model.train.cfg", tmp_path / "out", overrides=overrides)
    trained = spacy.load(tmp_path / "out/model-best")
    ents = [(ent.text, ent.label_) for ent in trained("Alex lives in London").ents]
    assert ents == [("Alex", "PER"), ("London", "LOC")]


def test_names_and_sources_of_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_source(str(tmp_path)) == f"dir:{tmp_path}"
    assert find_source("dslim/bert-base-NER") == "hub:dslim/bert-base-NER"
    assert find_source("hub:dslim/bert-base-NER@abc") == "hub:dslim/bert-base-NER@abc"
    with pytest.raises(FetchError, match=r"dslim/bert-base-NER.*HF_HUB_OFFLINE is set"):
        hf_to_pipeline("dslim/bert-base-NER", tmp_path / "model")


@pytest.mark.parametrize(
    ("names", "scheme", "reason"),
    [
        (["LABEL_0", "LABEL_1"], None, r"names that are not tags \('LABEL_0', 'LABEL_1'\)"),
        (["O", "B-A", "B-A"], None, "B-A more than once"),
        (["B-A", "I-A"], None, "expected O and at least"),
        (["O", "B-A", "E-A"], "IOB2", "tags with E-, which are not in the scheme IOB2"),
        (["O", "B-A"], "BIOES", "Tag scheme 'BIOES', expected one of IOB2"),
    ],
)
def test_names_that_are_no_tags_are_errors(names, scheme, reason):
    with pytest.raises(ValueError, match=reason):
        match_tag_columns(names, scheme=scheme)


def test_heads_that_cannot_be_taken_over_are_errors(tmp_path, get_encoder):
    with pytest.raises(ValueError, match=r"no weights for classifier\.bias.*trained for token"):
        hf_to_pipeline(str(get_encoder("bert")), tmp_path / "model")
    with pytest.raises(ValueError, match="Aggregation 'mean', expected one of first, average"):
        hf_to_pipeline("x", tmp_path / "model", aggregation="mean")
    assert not (tmp_path / "model").exists()


TAGS = ["I-PER", "O", "B-LOC", "B-PER", "I-LOC"]


def number(names, first=0):
    return {str(i): name for i, name in enumerate(names, first)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return build_head("bert", tmp_path_factory.mktemp("whole") / "checkpoint", names=TAGS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id2label": ...}, "no `id2label`, expected config.json to name 5 tags"),
        ({"id2label": None}, "no `id2label`"),
        ({"id2label": number(TAGS, first=1)}, "'1': 'I-PER'.* numbered from 0"),
        ({"id2label": number(TAGS[:3])}, "3 names in `id2label` for a head of 5 scores"),
        ({"id2label": number([*TAGS, "B-X", "I-X"])}, "7 names in `id2label` for a head of 5"),
        ({"id2label": number(range(5))}, "names that are not text"),
        ({"id2label": TAGS}, "cannot read this checkpoint .*(id2label|items)"),
        ({"id2label": {tag: tag for tag in TAGS}}, "cannot read this checkpoint"),
        ({"id2label": number(["O", "PER", "LOC", "ORG", "X-Y"])}, "names that are not tags"),
        ({"id2label": number(["O", "PER", "LOC", "ORG", "MISC"])}, 'set `scheme = "IO"`'),
        ({"id2label": number(["[PAD]", "O", "B-PER", "I-PER", "X"])}, r"'\[PAD\]', 'X'"),
        ({"model_type": "foo"}, "cannot read this checkpoint .*foo"),
        ({"model_type": "t5"}, "weights are missing|cannot read this checkpoint .*Validation"),
        ({"hidden_size": 30}, "cannot read this checkpoint .*mismatch"),
        ({"vocab_size": 3}, "cannot read this checkpoint .*mismatch"),
        ({"tokenizer.json": '{"version": "1.0"}'}, "cannot read this checkpoint .*tokenizer"),
        ({"tokenizer.json": ..., "vocab.txt": ...}, "cannot read this checkpoint .*tokenizer"),
        (
            {"tokenizer.json": ..., "vocab.txt": ..., "spm.model": "x"},
            r"SentencePiece model \(spm\.model\).*pip install sentencepiece protobuf",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(whole, tmp_path, changes, reason):
    folder = shutil.copytree(whole, tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        if "." in name and value is ...:
            (folder / name).unlink(missing_ok=True)
        elif "." in name:
            (folder / name).write_text(value)
        elif value is ...:
            del config[name]
        else:
            config[name] = value
    (folder / "config.json").write_text(json.dumps(config))
    if "spm.model" in changes:
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings["tokenizer_class"] = "XLMRobertaTokenizer"
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=reason) as error:
        hf_to_pipeline(str(folder), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert len(str(error.value)) < 700 and str(tmp_path) in str(error.value) + str(tmp_path)


def test_bare_labels_are_read_as_io(tmp_path):
    names = ["O", "PER", "LOC", "I-ORG"]
    columns = match_tag_columns(names, scheme="IO")
    assert list(dict.fromkeys(columns.tag_set.labels[1:])) == ["PER", "LOC", "ORG"]
    folder = build_head("bert", tmp_path / "checkpoint", names=names)
    found = hf_to_pipeline(str(folder), tmp_path / "model", scheme="IO")
    assert (found.labels, found.scheme) == (["PER", "LOC", "ORG"], "IO")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    ours = [["", "-PER", "-LOC", "-ORG"].index(tag[1:]) for tag in nlp.get_pipe("ner").tags]
    expected = score_alone(folder, WORDS)
    np.testing.assert_allclose(score_here(nlp, WORDS), expected[:, ours], atol=1e-5)
