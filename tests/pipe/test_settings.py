"""Every setting of the component: it learns, changes something, and is kept."""

import re

import numpy as np
import pytest
import spacy
from spacy.tokens import Span
from spacy.training import Example
from support.pipelines import CNN, DATA, EXPECTED, make_examples, make_nlp, read_ents, train

from spacy_bert_ner.score.scorer import judge_entities
from spacy_bert_ner.tag.gold import count_tags
from spacy_bert_ner.tag.tag_set import build_tag_set

VALID = {"decoder": "valid"}
SETTINGS = [
    {"scheme": "BILOU"},
    {"model": VALID},
    {"model": VALID, "scheme": "BILOU"},
    {"model": VALID, "loss": {"class_weights": "balanced"}},
    {
        "model": VALID,
        "loss": {"class_weights": {"O": 0.5}, "label_smoothing": 0.02, "focal_gamma": 1.0},
    },
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_learns_and_reloads(tmp_path, settings):
    nlp = make_nlp(**settings)
    train(nlp)
    assert [read_ents(nlp(text)) for text, _ in DATA] == EXPECTED
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    found = [loaded(text).to_json(underscore=["ent_scores"]) for text, _ in DATA]
    assert found == [nlp(text).to_json(underscore=["ent_scores"]) for text, _ in DATA]
    weights = nlp.get_pipe("ner").cfg["tag_weights"]
    # spaCy's JSON keeps ten digits.
    assert loaded.get_pipe("ner").cfg["tag_weights"] == (weights and pytest.approx(weights))


def test_every_setting_changes_the_loss():
    losses = [train(make_nlp(**settings), n_steps=3)["ner"] for settings in [{}, *SETTINGS]]
    assert len(set(losses)) == len(losses)


def test_transitions_are_learned_and_saved():
    nlp = make_nlp()
    train(nlp)
    transitions = nlp.get_pipe("ner").tag_model.transitions
    tags = nlp.get_pipe("ner").tags
    # London stands first, nothing starts with white space or an inner tag.
    assert transitions[-1, tags.index("B-LOC")] != 0
    assert transitions[-1, tags.index("I-LOC")] == 0
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    np.testing.assert_array_equal(loaded.get_pipe("ner").tag_model.transitions, transitions)


def test_gradient_of_the_transitions_equals_a_finite_difference():
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("ner")
    layer = pipe.model.get_ref("transitions")
    pipe.update(examples)
    gradient = layer.get_grad("T").copy()
    scores = pipe.model.predict([eg.predicted for eg in examples])
    scores = [X.astype("float64") for X in scores]
    cell = (0, pipe.tags.index("B-LOC"))
    losses = []
    for move in (1e-3, -1e-3):
        T = np.zeros_like(gradient)
        T[cell] = move
        layer.set_param("T", T)
        losses.append(pipe.get_loss(examples, scores)[0])
    assert gradient[cell] == pytest.approx((losses[0] - losses[1]) / 2e-3, abs=1e-4)
    assert gradient[cell] != 0


def test_balanced_weights_come_from_all_examples():
    nlp = make_nlp(model=VALID, loss={"class_weights": "balanced"})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("ner")
    counts = {"O": 6, "B-LOC": 2, "I-LOC": 1, "B-PER": 1, "I-PER": 1}
    assert pipe.tags == tuple(counts)
    assert pipe.cfg["tag_weights"] == pytest.approx([11 / (5 * n) for n in counts.values()])


def test_threshold_leaves_entities_out(tmp_path):
    nlp = make_nlp()
    train(nlp)
    nlp.to_disk(tmp_path)
    strict = spacy.load(tmp_path, config={"components.ner.threshold": 1.0})
    assert not strict(DATA[0][0]).ents
    strict.get_pipe("ner").threshold = {"PER": 1.0}
    kept = strict(DATA[0][0])
    assert {label for _, label in read_ents(nlp(DATA[0][0]))} == {"LOC", "PER"}
    assert {label for _, label in read_ents(kept)} == {"LOC"}
    assert {row[2] for row in kept._.ent_scores} == {"LOC"}


@pytest.mark.parametrize("threshold", [-0.1, 95, "0.5", {"LOC": 0.5, "PER": "0.5"}, {"PER": 1.1}])
def test_a_threshold_that_is_no_probability_is_an_error(threshold):
    message = f"threshold of 'ner' is {threshold!r}, expected a number from 0 to 1"
    with pytest.raises(ValueError, match=re.escape(message)):
        make_nlp(threshold=threshold)
    pipe = make_nlp(threshold={"PER": 1}).get_pipe("ner")
    for value in (threshold, True, float("nan"), None):
        with pytest.raises(ValueError, match=r"threshold of 'ner' is .*, expected a number"):
            pipe.threshold = value
    assert pipe.threshold == {"PER": 1}


def test_a_threshold_that_is_set_in_the_config_is_saved(tmp_path):
    nlp = make_nlp(threshold=0.25)
    train(nlp, n_steps=1)
    nlp.get_pipe("ner").threshold = 0.5
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.25
    nlp.get_pipe_config("ner")["threshold"] = 0.5
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("ner").threshold == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": {"ORG": 0.5}}, "threshold of 'ner' names ORG, expected .*LOC, PER"),
        (
            {"model": VALID, "loss": {"class_weights": {"ORG": 0.5}}},
            "class_weights of 'ner' has 'ORG'",
        ),
        (
            {"model": VALID, "loss": {"class_weights": {"O": 0, "LOC": 0, "PER": 0.0}}},
            "class_weights of 'ner' are 0 for all tags",
        ),
    ],
)
def test_settings_for_unknown_labels_are_errors(settings, message):
    nlp = make_nlp(**settings)
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: make_examples(nlp))


def test_bad_settings_are_errors():
    with pytest.raises(ValueError, match="Decoder 'viterbi', expected one of crf, valid"):
        make_nlp(model={"decoder": "viterbi"})
    with pytest.raises(ValueError, match="Tag scheme 'BIOES' of the head"):
        make_nlp(scheme="BIOES")
    with pytest.raises(ValueError, match=r"learns whole paths. Set decoder = .valid. in its model"):
        make_nlp(loss={"focal_gamma": 1.0})


def test_weights_of_another_scheme_are_an_error():
    nlp = make_nlp()
    train(nlp, n_steps=1)
    other = make_nlp(scheme="BILOU")
    with pytest.raises(ValueError, match=r"score 5 tags, but the scheme BILOU .* has 9"):
        other.from_bytes(nlp.to_bytes())


def test_blank_pipeline_takes_the_component_with_its_defaults():
    nlp = spacy.blank("de")
    nlp.add_pipe("bert_ner", config={"model": {"tok2vec": CNN}})
    train(nlp)
    assert [read_ents(nlp(text)) for text, _ in DATA] == EXPECTED


def make_grouped(nlp, label, *, key="coarse"):
    examples = []
    for eg in make_examples(nlp):
        doc = eg.reference
        doc.spans[key] = [Span(doc, ent.start, ent.end, label=label) for ent in doc.ents]
        examples.append(eg)
    return examples


def test_spans_key_writes_to_spans_and_leaves_ents_alone():
    nlp = make_nlp(spans_key="mine")
    train(nlp)
    doc = nlp.make_doc(DATA[0][0])
    doc.set_ents([Span(doc, 0, 1, label="OTHER")])
    doc = nlp.get_pipe("ner")(doc)
    assert [(span.text, span.label_) for span in doc.spans["mine"]] == EXPECTED[0]
    assert read_ents(doc) == [("Alex", "OTHER")]
    scores = doc.spans["mine"].attrs["scores"]
    assert [span._.score for span in doc.spans["mine"]] == scores.tolist()
    assert doc.copy().spans["mine"].attrs["scores"].tolist() == scores.tolist()
    scored = nlp.evaluate(make_examples(nlp))
    assert scored["spans_mine_f"] == 1.0
    assert set(scored["spans_mine_per_type"]) == {"LOC", "PER"}


def test_span_groups_are_what_is_learned_where_gold_docs_have_them():
    nlp = make_nlp(spans_key="coarse")
    examples = make_grouped(nlp, "NAME")
    train(nlp, examples=examples)
    assert nlp.get_pipe("ner").labels == ("NAME",)
    docs = [nlp(text) for text, _ in DATA]
    found = [[span.text for span in doc.spans["coarse"]] for doc in docs]
    assert found == [["Alex Smith", "New York"], ["London"]]
    assert nlp.evaluate(examples)["spans_coarse_f"] == 1.0


def test_span_groups_in_some_docs_only_are_an_error():
    nlp = make_nlp(spans_key="coarse")
    examples = [*make_grouped(nlp, "NAME"), *make_examples(nlp)]
    with pytest.raises(ValueError, match="2 of 4 training docs have no span group 'coarse'"):
        nlp.initialize(lambda: examples)


def predict(nlp, eg):
    return Example(nlp(eg.reference.text), eg.reference)


def test_gold_spans_that_cannot_be_learned_count_in_the_recall():
    nlp = make_nlp(spans_key="coarse")
    examples = make_grouped(nlp, "NAME")
    train(nlp, examples=examples)
    for eg in examples:
        group = eg.reference.spans["coarse"]
        eg.reference.spans["coarse"] = [*group, Span(eg.reference, 0, 3, label="NAME")]
    scores = nlp.evaluate(examples)
    assert scores["spans_coarse_p"] == 1.0
    assert scores["spans_coarse_r"] == pytest.approx(3 / 5)
    # Each of those found is right, however long the other one is.
    (judged,) = judge_entities(predict(nlp, examples[1]), "coarse")
    assert judged[2]


def test_words_that_nobody_annotated_do_not_count_in_the_calibration_of_a_group():
    nlp = make_nlp(spans_key="mine")
    train(nlp)
    reference = nlp.make_doc(DATA[0][0])
    reference.set_ents([Span(reference, 0, 2, label="PER")], default="missing")
    eg = predict(nlp, Example(reference, reference))
    assert [span.text for span in eg.predicted.spans["mine"]] == ["Alex Smith", "New York"]
    assert [row[0] for row in judge_entities(eg, "mine")] == ["PER"]


def test_two_components_share_one_encoder():
    nlp = spacy.blank("en")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32}
    nlp.add_pipe("tok2vec", config={"model": CNN})
    nlp.add_pipe("bert_ner", name="ner", config={"model": {"tok2vec": listener}})
    nlp.add_pipe(
        "bert_ner", name="coarse", config={"model": {"tok2vec": listener}, "spans_key": "coarse"}
    )
    nlp.add_pipe("sentencizer", first=True)
    losses = train(nlp, examples=make_grouped(nlp, "NAME"))
    assert set(losses) == {"tok2vec", "ner", "coarse"}
    for (text, _), ents in zip(DATA, EXPECTED, strict=True):
        doc = nlp(text)
        assert read_ents(doc) == ents
        assert [span.text for span in doc.spans["coarse"]] == [text for text, _ in ents]
        # The same characters, two labels, two scores.
        assert len(doc._.ent_scores) == 2 * len(ents)
        assert all(ent._.score is not None for ent in doc.ents)
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert read_ents(loaded(DATA[0][0])) == EXPECTED[0]
    loaded.replace_listeners("tok2vec", "coarse", ["model.tok2vec"])
    doc = loaded(DATA[0][0])
    assert [span.text for span in doc.spans["coarse"]] == ["Alex Smith", "New York"]


@pytest.mark.parametrize("decoder", ["valid", "crf"])
def test_neighbours_of_one_label_are_learned_as_the_scheme_reads_them(decoder):
    data = [("Alex Smith lives here", [(0, 4, "PER"), (5, 10, "PER")])]
    wanted = {"IO": [("Alex Smith", "PER")], "IOB2": [("Alex", "PER"), ("Smith", "PER")]}
    for scheme, ents in wanted.items():
        nlp = make_nlp(scheme=scheme, model={"decoder": decoder})
        examples = make_examples(nlp, data)
        losses = train(nlp, examples=examples)
        assert losses["ner"] < 0.1
        assert read_ents(nlp(data[0][0])) == ents
    counts = count_tags(examples, build_tag_set(["PER"], scheme="IO"))
    assert counts == [2, 1, 1]
