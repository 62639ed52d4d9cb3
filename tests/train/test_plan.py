"""Counting steps: what is written into the config, and when nothing is."""

import io

import pytest
import spacy
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry
from support.trainings import make_config, write_corpus

from spacy_bert_ner.train import plan as plan_module
from spacy_bert_ner.train.log import read_log
from spacy_bert_ner.train.plan import find_blocks, has_corpus, make_plan, make_plan_training_v1

OPEN = {"max_steps": 0, "max_epochs": 3, "eval_frequency": 0, "patience": 0}


def plan(epoch_steps=10, eval_every="1 epochs", n_patience=0, **training):
    return make_plan(
        {**OPEN, **training}, epoch_steps, eval_every=eval_every, n_patience=n_patience
    )


def test_last_step_is_evaluated_and_no_epoch_is_begun_for_it():
    for epoch_steps in (1, 2, 7, 10, 439):
        for eval_every in ("1 epochs", "0.5 epochs", "0.3 epochs", "10%", "4 steps"):
            planned = plan(epoch_steps, eval_every)
            n_updates = planned.max_steps + 1  # spaCy's first step is number 0
            assert n_updates <= 3 * epoch_steps
            assert planned.max_steps % planned.eval_frequency == 0
            n_evals = planned.max_steps // planned.eval_frequency
            assert n_updates > 3 * epoch_steps - 1 - n_evals


def test_fraction_of_an_epoch():
    assert plan(100, "0.5 epochs").eval_frequency == 49
    assert plan(100, "0.5 epochs").max_steps == 49 * 6
    assert plan(100, "25%").max_steps // plan(100, "25%").eval_frequency == 4
    assert plan(100, "20 steps").eval_frequency == 19


def test_given_numbers_stay():
    assert plan(10, max_steps=25)[1:3] == (25, 10)
    assert plan(10, max_steps=99)[1] == 29  # three epochs end first
    assert plan(10, max_epochs=0, max_steps=99)[1] == 99
    assert plan(10, eval_frequency=8)[1:3] == (29, 8)
    assert plan(10, patience=5).patience == 5


def test_patience_counts_evaluations():
    planned = plan(100, "0.5 epochs", n_patience=2)
    assert planned.patience == 2 * planned.eval_frequency


def test_length_is_needed():
    with pytest.raises(ValueError, match=r"`max_epochs = 0` and `max_steps = 0`.*max_epochs = 3`"):
        plan(max_epochs=0)


def test_bad_settings():
    with pytest.raises(ValueError, match="'often'"):
        make_plan_training_v1(eval_every="often")


def test_config_is_filled_when_the_pipeline_is_initialized(tmp_path):
    write_corpus(tmp_path, n_train=40)
    nlp = init_nlp(make_config(tmp_path, **{"initialize.after_init.patience": 2}))
    training = nlp.config["training"]
    # 40 sentences in batches of 4 are 10 batches; 3 epochs end with step 29.
    assert (training["max_steps"], training["eval_frequency"]) == (27, 9)
    assert (training["max_epochs"], training["patience"]) == (0, 18)
    schedule = training["optimizer"]["learn_rate"]
    assert (schedule["total_steps"], schedule["epoch_steps"]) == (28, 10)


@registry.batchers("tests.cut_where_longer.v1")
def make_cut_where_longer():
    """Make a batcher with fewer batches for shuffled examples than for the file's order."""

    def cut(examples):
        batch = []
        for eg in examples:
            if batch and len(eg) > len(batch[-1]):
                yield batch
                batch = []
            batch.append(eg)
        yield batch

    return cut


def test_the_last_evaluation_is_reached_where_shuffled_epochs_are_shorter(tmp_path):
    write_corpus(tmp_path)
    config = make_config(tmp_path)
    config["training"]["batcher"] = {"@batchers": "tests.cut_where_longer.v1"}
    config["training"]["logger"] = {"@loggers": "spacy-bert-ner.Logger.v1"}
    nlp = init_nlp(config)
    (tmp_path / "model").mkdir()
    train(nlp, tmp_path / "model", stdout=io.StringIO(), stderr=io.StringIO())
    n_steps = nlp.config["training"]["max_steps"]
    assert n_steps == 3 * 33 - 3
    assert [r["step"] for r in read_log(tmp_path / "model" / "log.jsonl")][-1] == n_steps


def test_given_schedule_stays(tmp_path):
    write_corpus(tmp_path)
    overrides = {"training.optimizer.learn_rate.total_steps": 500}
    nlp = init_nlp(make_config(tmp_path, **overrides))
    schedule = nlp.config["training"]["optimizer"]["learn_rate"]
    assert (schedule["total_steps"], schedule["epoch_steps"]) == (500, 10)


@pytest.mark.parametrize("path", [None, "gone.spacy"])
def test_pipeline_without_its_corpus_is_left_alone(tmp_path, path):
    write_corpus(tmp_path)
    config = make_config(tmp_path)
    config["paths"]["train"] = path
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    make_plan_training_v1()(nlp)
    assert nlp.config["training"]["max_steps"] == 0


def test_blocks_are_found_at_any_depth():
    inner = {"@schedules": "x"}
    assert inner in list(find_blocks({"a": {"b": {"c": inner}}, "d": [1]}))


def test_a_corpus_inside_a_zip_archive_is_found(tmp_path):
    (tmp_path / "data.zip").touch()
    for name, found in (("data.zip:train.txt", True), ("gone.zip:train.txt", False)):
        nlp = spacy.blank("en")
        nlp.config["corpora"] = {"train": {"path": str(tmp_path / name)}}
        nlp.config["training"]["train_corpus"] = "corpora.train"
        assert has_corpus(nlp) is found


@pytest.mark.parametrize(("eval_every", "n_counts"), [("1 epochs", 1), ("5 steps", 0)])
def test_a_stream_is_counted_only_for_epochs(tmp_path, monkeypatch, eval_every, n_counts):
    write_corpus(tmp_path)
    counts = []
    monkeypatch.setattr(plan_module, "count_batches", lambda nlp: counts.append(1) or 10)
    overrides = {"training.max_epochs": -1, "training.max_steps": 20}
    overrides["initialize.after_init.eval_every"] = eval_every
    training = init_nlp(make_config(tmp_path, **overrides)).config["training"]
    assert len(counts) == n_counts
    assert (training["max_epochs"], training["max_steps"]) == (-1, 20)
    assert training["eval_frequency"] == (10 if n_counts else 5)


def test_a_stream_needs_steps():
    with pytest.raises(ValueError, match=r"expected `max_steps` above 0.*`max_steps = 1000`"):
        plan(max_epochs=-1)
