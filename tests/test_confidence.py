"""Scores of entities: where they are kept, what they mean, and how they are calibrated."""

import copy
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelines import DATA, EXPECTED, make_examples, make_nlp, read_ents, train
from spacy.cli.train import train as train_command
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bert_ner import annotate
from spacy_bert_ner.calibrate import calibrate, make_calibrate_v1
from spacy_bert_ner.cli import bert_ner_cli
from spacy_bert_ner.manifest import BrokenModelError, verify, write_manifest
from spacy_bert_ner.reliability import (
    TEMPERATURES,
    Threshold,
    choose_temperature,
    compute_doubt,
    compute_ece,
    find_threshold,
)
from spacy_bert_ner.score import judge_entities
from spacy_bert_ner.thresholds import ALL, find_thresholds, find_unsafe, save_with_thresholds

TEXT = DATA[0][0]


@pytest.fixture(scope="module")
def trained():
    nlp = make_nlp()
    train(nlp, n_steps=20)
    return nlp


def read_scores(doc):
    return [(ent.text, ent._.score) for ent in doc.ents]


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
        Doc(trained.vocab).from_json(doc.to_json(underscore=["ent_scores"])),
    ]
    for kept in copies:
        assert read_scores(kept) == read_scores(doc)
    assert len(read_scores(doc)) == 2


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
        with pytest.warns(UserWarning, match="Another extension holds the name"):
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


def make_noisy(nlp, n=60):
    """Give examples of which a third has a gold label that nobody could guess."""
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(n):
        for text, ents in DATA:
            label = "PER" if rng.random() < 1 / 3 else None
            gold = [(start, end, label or ent) for start, end, ent in ents]
            examples.append(Example.from_dict(nlp.make_doc(text), {"entities": gold}))
    return examples


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


def test_threshold_keeps_most_entities_at_the_precision():
    probs = np.asarray([0.9, 0.8, 0.8, 0.7, 0.6, 0.5])
    is_right = np.asarray([1, 1, 0, 1, 1, 0])
    best = find_threshold(probs, is_right, 5, precision=0.75)
    assert best == (0.6, 0.8, 0.8, 5)
    # All that are tied stay together: 0.8 alone holds one that is wrong.
    assert find_threshold(probs, is_right, 5, precision=0.9) == (0.9, 1.0, 0.2, 1)
    assert find_threshold(probs, is_right, 5, precision=0.5).value == 0.0
    with pytest.raises(ValueError, match=r"precision of 1.0: the best is 0.6667, with the 3 of 3"):
        find_threshold(np.full(3, 0.5), np.asarray([1, 1, 0]), 3, precision=1.0)
    with pytest.raises(ValueError, match="finds no entity"):
        find_threshold(np.zeros(0), np.zeros(0), 3, precision=0.9)
    with pytest.raises(ValueError, match="wanted precision is 95"):
        find_threshold(probs, is_right, 5, precision=95)


def make_model(path):
    nlp = make_nlp()
    train(nlp)
    nlp.to_disk(path / "model")
    # A third of the gold labels is PER for every entity: PER is always right, LOC is not.
    docs = [eg.reference for eg in make_noisy(nlp, n=20)]
    DocBin(docs=docs).to_disk(path / "dev.spacy")
    return nlp


def test_found_thresholds_reach_the_precision_and_are_saved(tmp_path):
    nlp = make_model(tmp_path)
    scores = dict(read_scores(nlp(TEXT)))
    scores["London"] = nlp(DATA[1][0]).ents[0]._.score
    examples = make_noisy(nlp, n=20)
    found, unreached = find_thresholds(nlp, examples, precision=0.6, per_label=True)
    assert found["PER"].precision == 1.0
    assert found["LOC"].precision >= 0.6
    assert unreached == {}
    found = {"LOC": found["LOC"]._replace(value=1.0)}
    save_with_thresholds(tmp_path / "model", tmp_path / "copy", "ner", found)
    assert read_ents(spacy.load(tmp_path / "copy")(TEXT)) == EXPECTED[0][:1]
    with pytest.raises(ValueError, match="copy exists"):
        save_with_thresholds(tmp_path / "model", tmp_path / "copy", "ner", found)


def test_a_label_that_cannot_reach_the_precision_leaves_the_others_theirs(tmp_path):
    make_model(tmp_path)
    args = ["find-threshold", str(tmp_path / "model"), str(tmp_path / "dev.spacy"), "--per-label"]
    args += ["--precision", "0.99", "--output", str(tmp_path / "copy")]
    done = CliRunner().invoke(bert_ner_cli, args)
    assert done.exit_code == 0, done.output
    nlp = spacy.load(tmp_path / "copy")
    assert nlp.get_pipe("ner").threshold == {"PER": 0.0}
    found = find_thresholds(nlp, make_noisy(nlp, n=20), precision=0.99, per_label=True)
    assert found.unreached.keys() == {"LOC"}
    best = found.unreached["LOC"].precision
    assert 0.5 < best < 0.99
    assert re.search(rf"LOC +– +{best:.4f} at best +– +–", done.output)
    assert re.search(r"PER +0.0000 +1.0000", done.output)
    assert "reaches a precision of 0.99 for LOC" in " ".join(done.output.split())


def test_a_precision_that_no_label_reaches_is_an_error(trained):
    # Not one of the entities that the model finds is right.
    examples = make_examples(trained, [(text, [(0, len(text), "LOC")]) for text, _ in DATA])
    message = r"No label reaches a precision of 0.5 .*: the best are LOC 0.0000, PER 0.0000\. Ask"
    with pytest.raises(ValueError, match=message):
        find_thresholds(trained, examples, precision=0.5, per_label=True)
    with pytest.raises(ValueError, match=r"No threshold reaches .* 0.0000, with the 3 of 3 ent"):
        find_thresholds(trained, examples, precision=0.5)


def test_looking_for_thresholds_changes_nothing(trained, monkeypatch):
    pipe = trained.get_pipe("ner")
    monkeypatch.setattr(pipe, "threshold", 0.25)
    examples = make_examples(trained)
    find_thresholds(trained, examples, precision=0.5)
    assert pipe.threshold == 0.25
    assert [eg.predicted.ents for eg in examples] == [(), ()]
    assert [eg.predicted._.ent_scores for eg in examples] == [None, None]

    def fail(docs):
        assert pipe.threshold == 0.0
        raise RuntimeError("no memory")

    monkeypatch.setattr(pipe, "predict", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        find_thresholds(trained, examples, precision=0.5)
    assert pipe.threshold == 0.25


def test_the_copy_of_a_verified_model_is_verified(trained, tmp_path):
    model = tmp_path / "model"
    trained.to_disk(model)
    half = {ALL: Threshold(0.5, 1.0, 1.0, 3)}
    save_with_thresholds(model, tmp_path / "unchecked", "ner", half)
    assert not (tmp_path / "unchecked" / "manifest.json").exists()
    n_files = len(write_manifest(model)["files"])
    save_with_thresholds(model, tmp_path / "copy", "ner", half)
    assert verify(tmp_path / "copy") == n_files
    assert spacy.load(tmp_path / "copy").get_pipe("ner").threshold == 0.5
    (model / "ner" / "cfg").unlink()
    with pytest.raises(BrokenModelError, match="ner/cfg is missing"):
        save_with_thresholds(model, tmp_path / "other", "ner", half)
    assert not (tmp_path / "other").exists()


SAFE = [
    "a b",
    "*",
    "a.b",
    "a#b",
    "a;b",
    "a@b",
    "${a.b}",
    "%(a)s",
    "a]",
    '"',
    "'a'",
    "validate",
    "-ß",
]
UNSAFE = ["#a", ";a", "[a]", "@a", "a:b", "a=b", " a", "a\u00a0", "a\nb", "a\rb", "="]


def test_any_label_keeps_its_threshold(tmp_path):
    nlp = make_nlp()
    labels = [*SAFE, "all labels"]
    nlp.get_pipe("ner").initialize(lambda: make_examples(nlp), nlp=nlp, labels=labels)
    nlp.to_disk(tmp_path / "model")
    given = {label: Threshold(i / 16, 1.0, 1.0, 1) for i, label in enumerate(labels)}
    save_with_thresholds(tmp_path / "model", tmp_path / "copy", "ner", given)
    copied = spacy.load(tmp_path / "copy")
    assert copied.get_pipe("ner").threshold == {label: t.value for label, t in given.items()}
    copied.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again").get_pipe("ner")
    assert again.threshold == copied.get_pipe("ner").threshold


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    """The folder of a pipeline, of which only the config is copied and read."""
    path = tmp_path_factory.mktemp("config")
    trained.config.to_disk(path / "config.cfg")
    return path


TRICKY = st.text(
    st.sampled_from("aB09#;[]@*=:.,$%{}()\"'\\/ \t\n\r\x0b\x1c\x85\u00a0\u2028é"), min_size=1
)


@settings(deadline=None, max_examples=30)
@given(label=TRICKY | st.text(min_size=1))
def test_a_label_keeps_its_threshold_or_is_refused(folder, label):
    thresholds = {label: Threshold(0.1 + 0.2, 1.0, 1.0, 1), "PER": Threshold(0.5, 1.0, 1.0, 1)}
    with TemporaryDirectory() as tmp:
        copied = Path(tmp) / "copy"
        if find_unsafe(thresholds):
            with pytest.raises(ValueError, match=re.escape(f"a threshold for {label!r}:")):
                save_with_thresholds(folder, copied, "ner", thresholds)
            assert not copied.exists()
            return
        save_with_thresholds(folder, copied, "ner", thresholds)
        nlp = load_model_from_config(load_config(copied / "config.cfg"))
    values = {label: threshold.value for label, threshold in thresholds.items()}
    assert nlp.get_pipe("ner").threshold == values
    again = Config().from_str(nlp.config.to_str())
    assert again["components"]["ner"]["threshold"] == values


@pytest.mark.parametrize("label", UNSAFE)
def test_labels_that_a_config_cannot_hold_are_named(folder, tmp_path, label):
    thresholds = {"PER": Threshold(0.5, 1.0, 1.0, 1), label: Threshold(0.5, 1.0, 1.0, 1)}
    with pytest.raises(ValueError, match=re.escape(f"a threshold for {label!r}: labels in it")):
        save_with_thresholds(folder, tmp_path / "copy", "ner", thresholds)


def test_command_find_threshold(tmp_path):
    make_model(tmp_path)
    args = ["find-threshold", str(tmp_path / "model"), str(tmp_path / "dev.spacy"), "--precision"]
    done = CliRunner().invoke(bert_ner_cli, [*args, "0.5", "--output", str(tmp_path / "copy")])
    assert done.exit_code == 0, done.output
    assert "all labels" in done.output
    assert spacy.load(tmp_path / "copy").get_pipe("ner").threshold == 0.0
    done = CliRunner().invoke(bert_ner_cli, [*args, "7"])
    assert done.exit_code == 1
    assert "wanted precision is 7.0" in done.output


def test_a_pipeline_without_the_component_is_an_error():
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match=r"Found 0 components bert_ner .*expected one"):
        find_thresholds(nlp, [], precision=0.9)


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
