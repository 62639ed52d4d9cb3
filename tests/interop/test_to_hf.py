"""spaCy pipelines as Hugging Face checkpoints: the same scores, entities, and refusals."""

import json

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from support.checkpoints import BUILDERS
from support.heads import NAMES, build_head
from support.listening import make_examples, make_nlp
from support.scoring import FLOAT32, WORDS, score_alone, score_here
from thinc.api import Adam
from transformers import pipeline

from spacy_bert_ner.interop.distill import draw_taught_docs, fit_head
from spacy_bert_ner.interop.from_hf import hf_to_pipeline
from spacy_bert_ner.interop.to_hf import find_encoder, pipeline_to_hf
from spacy_bert_ner.pipe.rehearsal import PipelineRef

TEXTS = [
    "Alex lives in London",
    "no one is in paris",
    "Mike began protests in the network",
    "London Paris Alex",
]


def get_ents(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def get_groups(folder, text, strategy="first"):
    ner = pipeline("token-classification", str(folder), aggregation_strategy=strategy, device="cpu")
    return [(group["start"], group["end"], group["entity_group"]) for group in ner(text)]


IN_EACH_RUN = ("distilbert", "modernbert")


@pytest.mark.parametrize(
    "kind",
    [
        kind if kind in IN_EACH_RUN else pytest.param(kind, marks=pytest.mark.slow)
        for kind in BUILDERS
    ],
)
def test_there_and_back_again_changes_no_score(kind, tmp_path):
    folder = build_head(kind, tmp_path / "checkpoint")
    hf_to_pipeline(str(folder), tmp_path / "model", scheme="IOB2")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    pipeline_to_hf(nlp, tmp_path / "out")
    tags = nlp.get_pipe("ner").tags
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert list(config["id2label"].values()) == list(tags)
    assert not list((tmp_path / "out").glob("*.bin"))
    np.testing.assert_allclose(
        score_alone(tmp_path / "out", WORDS), score_here(nlp, WORDS), atol=1e-5
    )
    hf_to_pipeline(str(tmp_path / "out"), tmp_path / "again")
    again = spacy.load(tmp_path / "again", config=FLOAT32)
    np.testing.assert_array_equal(score_here(again, WORDS), score_here(nlp, WORDS))


@pytest.mark.parametrize("aggregation", ["first", "average", "max"])
def test_the_pipeline_of_transformers_finds_the_same(aggregation, tmp_path):
    # IOB1 allows all paths, as that pipeline does
    folder = build_head("bert", tmp_path / "checkpoint", outside=-2.0)
    options = {"aggregation": aggregation, "scheme": "IOB1"}
    hf_to_pipeline(str(folder), tmp_path / "model", **options)
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    done = pipeline_to_hf(nlp, tmp_path / "out")
    assert f'aggregation_strategy="{aggregation}"' in done.notes[0]
    expected = [get_groups(tmp_path / "out", text, aggregation) for text in TEXTS]
    assert any(expected)
    assert [get_ents(nlp(text)) for text in TEXTS] == expected


@pytest.mark.parametrize("scheme", ["IO", "BIOES"])
def test_other_schemes_go_there_and_back(scheme, tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint", names=NAMES[scheme], outside=-2.0)
    hf_to_pipeline(str(folder), tmp_path / "model")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    done = pipeline_to_hf(nlp, tmp_path / "out")
    assert {name[0] for name in done.head.names} == {"IO": set("OI"), "BIOES": set("OBI")}[scheme]
    hf_to_pipeline(str(tmp_path / "out"), tmp_path / "again")
    again = spacy.load(tmp_path / "again", config=FLOAT32)
    assert again.get_pipe("ner").tags == nlp.get_pipe("ner").tags
    np.testing.assert_array_equal(score_here(again, WORDS), score_here(nlp, WORDS))
    if scheme == "IO":
        texts = [get_groups(tmp_path / "out", text) for text in TEXTS]
        assert [get_ents(nlp(text)) for text in TEXTS] == texts


def test_tags_that_were_renamed_after_the_export_are_read(tmp_path):
    folder = build_head("bert", tmp_path / "checkpoint", outside=-2.0)
    hf_to_pipeline(str(folder), tmp_path / "model", scheme="IOB1")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    pipeline_to_hf(nlp, tmp_path / "out")
    assert hf_to_pipeline(str(tmp_path / "out"), tmp_path / "again").scheme == "IOB1"
    config = json.loads((tmp_path / "out/config.json").read_text())
    config["id2label"] = {i: tag.replace("PER", "PERSON") for i, tag in config["id2label"].items()}
    (tmp_path / "out/config.json").write_text(json.dumps(config))
    found = hf_to_pipeline(str(tmp_path / "out"), tmp_path / "again", scheme="IOB1")
    assert sorted(found.labels) == ["LOC", "PERSON"]


def build(get_encoder, kind="bert", **model):
    nlp = make_nlp(get_encoder(kind), n_steps=0)
    nlp.remove_pipe("bert_ner")
    listener = {"@architectures": "spacy-bert-ner.TransformerListener.v1"}
    model = {"tok2vec": listener, "features": None, "decoder": "valid", **model}
    nlp.add_pipe("bert_ner", config={"model": model}, before="doc_cleaner")
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def test_of_two_encoders_that_of_the_component_is_exported(get_encoder, tmp_path):
    kinds = ("bert", "electra")
    nlp = spacy.blank("en")
    for kind in kinds:
        part = build(get_encoder, kind)
        nlp.add_pipe("transformer", name=f"t-{kind}", source=part)
        nlp.add_pipe("bert_ner", name=kind, source=part)
    for kind in kinds:
        pipeline_to_hf(nlp, tmp_path / kind, name=kind)
        assert json.loads((tmp_path / kind / "config.json").read_text())["model_type"] == kind
        found = PipelineRef(nlp).find_transformer(nlp.get_pipe(kind).model)
        assert found is nlp.get_pipe(f"t-{kind}")


SHAPE = {"@architectures": "spacy-bert-ner.WordShape.v1", "width": 8}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"features": SHAPE}, "reads word features"),
        ({"hidden": 16}, r"hidden layer \(hidden = 16\)"),
        ({"hidden": 24, "norm": True}, r"hidden layer \(hidden = 24\)"),
        ({"decoder": "crf"}, "steps from tag to tag"),
    ],
)
def test_what_cannot_be_expressed_is_said_before_anything_is_written(
    model, reason, get_encoder, tmp_path
):
    with pytest.raises(ValueError, match=f"cannot be exported exactly: .*{reason}.*distill_head"):
        pipeline_to_hf(build(get_encoder, **model), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_head_like_modernbert_s_is_exported_after_training_and_a_linear_one_is_not(
    get_encoder, tmp_path
):
    nlp = build(get_encoder, "modernbert", hidden=24, norm=True)
    nlp.update(make_examples(nlp), sgd=Adam(0.01))
    nlp.to_disk(tmp_path / "model")
    nlp = spacy.load(tmp_path / "model", config=FLOAT32)
    norm = nlp.get_pipe("bert_ner").model.get_ref("tag_scores").shims[0]._model[2]
    assert norm.bias.abs().min() > 0
    pipeline_to_hf(nlp, tmp_path / "out")
    np.testing.assert_allclose(
        score_alone(tmp_path / "out", WORDS), score_here(nlp, WORDS, name="bert_ner"), atol=1e-4
    )
    with pytest.raises(ValueError, match="Train a head with hidden = 24 and norm = true"):
        pipeline_to_hf(build(get_encoder, "modernbert"), tmp_path / "linear")


def test_pooling_other_than_the_first_piece_cannot_be_exported(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder(), n_steps=0, pooling="mean")
    with pytest.raises(ValueError, match=r'not its first piece\'s \("mean"\)'):
        pipeline_to_hf(nlp, tmp_path / "out")


def test_shapes_cannot_go_over_and_a_fitted_head_does_without(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder(), n_steps=2, shapes=True, freeze="embeddings")
    with pytest.raises(ValueError, match=r"reads the shapes of words \(shapes = true\)"):
        pipeline_to_hf(nlp, tmp_path / "out")
    pipe, words = nlp.get_pipe("bert_ner"), ["Alex", "LONDON"]
    docs = [Doc(nlp.vocab, words=words) for _ in range(10)]
    examples = [Example(doc, doc) for doc in docs]
    done = pipeline_to_hf(nlp, tmp_path / "out", distill=examples)
    columns = [0] * len(pipe.tags)
    (sample, *_) = draw_taught_docs(nlp, pipe, find_encoder(nlp, pipe), examples, columns)
    expected = sample.X @ done.head.weight.numpy().T + done.head.bias.numpy()
    np.testing.assert_allclose(score_alone(tmp_path / "out", words), expected, atol=1e-4)
    # what was frozen stays so
    embeddings = find_encoder(nlp, pipe)._model.get_input_embeddings()
    assert (embeddings.weight.requires_grad, embeddings.word_shapes.weight.requires_grad) == (
        False,
        True,
    )


def test_a_pipeline_on_another_tok2vec_has_no_encoder(tmp_path):
    from support.pipelines import make_nlp as make_cnn
    from support.pipelines import train

    nlp = make_cnn()
    train(nlp, n_steps=1)
    with pytest.raises(ValueError, match="no encoder that can be exported"):
        pipeline_to_hf(nlp, tmp_path / "out")


@pytest.mark.filterwarnings("error:The vectors of another transformer")
def test_a_plain_head_is_fitted_and_its_loss_stated(get_encoder, tmp_path):
    nlp = build(get_encoder, features=SHAPE)
    words = ["Alex", "London", "Paris", "is"]
    gold = {0: "PER", 1: "LOC", 2: "LOC"}
    docs = [nlp.make_doc(f"{words[i % 4]} in {words[i // 4 % 4]}") for i in range(16)]
    for doc in docs:
        spans = [
            spacy.tokens.Span(doc, t.i, t.i + 1, gold[words.index(t.text)])
            for t in doc
            if t.text in words[:3]
        ]
        doc.ents = spans
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    for _ in range(15):
        nlp.update(examples, sgd=nlp.create_optimizer() if _ == 0 else nlp._optimizer)
    done = pipeline_to_hf(nlp, tmp_path / "out", distill=examples)
    assert done.distilled.n_docs == 4
    assert 0 <= done.distilled.f_after <= 1
    card = (tmp_path / "out/README.md").read_text()
    assert f"F1 {100 * done.distilled.f_before:.2f} before" in card
    assert get_groups(tmp_path / "out", "Alex in London") is not None
    with pytest.raises(ValueError, match=r"Found 2 gold docs with words.* expected at least 10"):
        pipeline_to_hf(nlp, tmp_path / "other", distill=examples[:2])
    assert not (tmp_path / "other").exists()


def test_a_linear_teacher_is_fitted_exactly():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(500, 6)).astype("f"), rng.normal(size=(4, 6))
    scores = np.exp(X @ W.T)
    probs = scores / scores.sum(axis=1, keepdims=True)
    head = fit_head(X, probs, ["O", "B-A", "I-A", "B-B"])
    found = torch.softmax(torch.from_numpy(X) @ head.weight.T + head.bias, dim=1).numpy()
    np.testing.assert_allclose(found, probs, atol=2e-3)


def test_notes_say_what_transformers_does_differently(get_encoder, tmp_path):
    nlp = build(get_encoder)
    pipe = nlp.get_pipe("bert_ner")
    pipe.threshold, pipe.cfg["temperature"] = 0.5, 1.5
    nlp.add_pipe("sentencizer")
    notes = " ".join(pipeline_to_hf(nlp, tmp_path / "out").notes)
    for part in ("threshold (0.5)", "not calibrated", "sentencizer", "after 40 pieces"):
        assert part in notes
    hf_to_pipeline(str(tmp_path / "out"), tmp_path / "again")
    assert spacy.load(tmp_path / "again").get_pipe("ner").cfg["temperature"] == 1.5
