"""Scores of entities become probabilities: on the dev set, when a pipeline is saved."""

import copy

import numpy as np
import pytest
import spacy
from spacy.cli.train import train as train_command
from spacy.language import Language
from spacy.tokens import DocBin, Span
from spacy.training import Example
from support.pipelines import (
    DATA,
    make_examples,
    make_nlp,
    make_noisy,
    read_ents,
    read_scores,
    train,
)
from thinc.api import Config

from spacy_bert_ner.score.calibrate import calibrate, make_calibrate_v1
from spacy_bert_ner.score.reliability import (
    TEMPERATURES,
    choose_temperature,
    compute_doubt,
    compute_ece,
)

TEXT = DATA[0][0]


def test_calibration_lowers_the_error_and_is_saved(tmp_path):
    nlp = make_nlp()
    train(nlp)
    examples = make_noisy(nlp)
    before = nlp.evaluate(examples)
    ents = [read_ents(nlp(text)) for text, _ in DATA]
    report = calibrate(nlp, "ner", make_noisy(nlp))
    after = nlp.evaluate(make_noisy(nlp))
    assert report["ents_ece_uncalibrated"] == pytest.approx(before["ents_ece"])
    assert report["ents_ece"] == pytest.approx(after["ents_ece"])
    assert report["ents_ece"] < 0.7 * report["ents_ece_uncalibrated"]
    assert nlp.get_pipe("ner").cfg["temperature"] > 1
    assert after["ents_f"] == before["ents_f"]
    assert [read_ents(nlp(text)) for text, _ in DATA] == ents
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.meta["performance"]["ents_ece"] == pytest.approx(report["ents_ece"])
    found = [score for _, score in read_scores(loaded(TEXT))]
    assert found == pytest.approx([score for _, score in read_scores(nlp(TEXT))])


def test_labels_get_their_own_temperature_when_there_are_enough():
    nlp = make_nlp()
    train(nlp)
    calibrate(nlp, "ner", make_noisy(nlp), per_label=True)
    temperatures = nlp.get_pipe("ner").cfg["label_temperatures"]
    # LOC is wrong a third of the time, PER never.
    assert temperatures["LOC"] > 2 * temperatures["PER"]
    doc = nlp(TEXT)
    scores = dict(read_scores(doc))
    assert scores["New York"] < scores["Alex Smith"]
    other = copy.deepcopy(nlp)
    other.initialize(lambda: make_examples(other))
    assert other.get_pipe("ner").temperatures == (1.0, {})
    calibrate(other, "ner", make_noisy(other, n=5), per_label=True)
    assert other.get_pipe("ner").temperatures == (1.0, {})


def test_temperatures_stay_where_there_are_too_few_entities_for_new_ones():
    nlp = make_nlp()
    train(nlp)
    calibrate(nlp, "ner", make_noisy(nlp), per_label=True)
    kept = nlp.get_pipe("ner").temperatures
    calibrate(nlp, "ner", make_noisy(nlp, n=5), per_label=True)
    assert nlp.get_pipe("ner").temperatures == kept != (1.0, {})


def test_missing_gold_tags_do_not_count_in_calibration():
    nlp = make_nlp()
    train(nlp)
    reference = nlp.make_doc(TEXT)
    reference.set_ents([Span(reference, 0, 2, label="PER")], default="missing")
    report = calibrate(nlp, "ner", [Example(nlp.make_doc(TEXT), reference)])
    scores = dict(read_scores(nlp(TEXT)))
    assert report["ents_ece"] == pytest.approx(1 - scores["Alex Smith"])
    example = Example(nlp.make_doc(TEXT), reference)
    assert nlp.evaluate([example])["ents_ece"] == pytest.approx(report["ents_ece"])


def test_callback_calibrates_what_is_saved():
    nlp = make_nlp()
    train(nlp)
    callback = make_calibrate_v1(make_noisy)
    assert callback(nlp) is nlp
    assert nlp.get_pipe("ner").cfg["temperature"] > 1.0


def test_callback_leaves_frozen_components_as_they_are():
    nlp = make_nlp()
    train(nlp)
    nlp.config["training"]["frozen_components"] = ["ner"]
    make_calibrate_v1(make_noisy)(nlp)
    assert nlp.get_pipe("ner").temperatures == (1.0, {})


@Language.component("plain_function")
def pass_on(doc):
    return doc


def test_calibration_runs_components_that_are_plain_functions():
    nlp = make_nlp()
    train(nlp)
    nlp.add_pipe("plain_function", first=True)
    assert calibrate(nlp, "ner", make_noisy(nlp))["ents_ece"] is not None


def test_calibration_without_entities_changes_nothing(trained):
    examples = make_examples(trained, [("", []), ("so it is", [])])
    assert calibrate(trained, "ner", examples) in ({}, {"ents_ece": 0, "ents_ece_uncalibrated": 0})
    assert trained.get_pipe("ner").cfg["temperature"] == 1.0


@pytest.mark.parametrize("true", [0.1, 0.3, 0.7, 1.0, 1.3, 2.9, 20.0])
def test_the_chosen_temperature_is_that_of_a_fine_search(true):
    rng = np.random.default_rng(0)
    gaps = rng.normal(2.0, 2.0, size=5000)
    is_right = (rng.random(5000) < 1 / (1 + np.exp(-gaps / true))).astype(np.int64)

    def give_probs(temperature):
        return 1 / (1 + np.exp(-gaps / temperature))

    fine = np.geomspace(TEMPERATURES[0], TEMPERATURES[-1], 2000)
    best = fine[np.argmin([compute_doubt(give_probs(t), is_right) for t in fine])]
    chosen = choose_temperature(np.stack([give_probs(t) for t in TEMPERATURES]), is_right)
    assert chosen == pytest.approx(best, rel=0.03)


def test_calibration_error_by_hand():
    probs, is_right = np.asarray([0.95, 0.95, 0.15, 1.0]), np.asarray([1, 0, 0, 1])
    # Bins 9 (0.95, 0.95, 1.0: sum 2.9, two right) and 1 (0.15, none right).
    assert compute_ece(probs, is_right) == pytest.approx((0.9 + 0.15) / 4)
    assert compute_ece(np.zeros(0), np.zeros(0)) is None


CALIBRATING = """
[training]
max_steps = 40
eval_frequency = 40

[training.before_to_disk]
@callbacks = "spacy-bert-ner.calibrate.v1"
corpus = ${corpora.dev}
per_label = true

[corpora]

[corpora.dev]
@readers = "spacy.Corpus.v1"
gold_preproc = true
"""


def test_spacy_train_calibrates_and_saves(tmp_path):
    nlp = make_nlp()
    DocBin(docs=[eg.reference for eg in make_noisy(nlp)]).to_disk(tmp_path / "dev.spacy")
    path = str(tmp_path / "dev.spacy")
    nlp.config.merge(Config().from_str(CALIBRATING, interpolate=False)).to_disk(
        tmp_path / "config.cfg"
    )
    overrides = {"paths.train": path, "paths.dev": path}
    train_command(tmp_path / "config.cfg", tmp_path / "out", overrides=overrides)
    for name in ("model-best", "model-last"):
        loaded = spacy.load(tmp_path / "out" / name)
        assert loaded.get_pipe("ner").cfg["label_temperatures"].keys() == {"LOC", "PER"}
        performance = loaded.meta["performance"]
        assert performance["ents_ece"] <= performance["ents_ece_uncalibrated"]
