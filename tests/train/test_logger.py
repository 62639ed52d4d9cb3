"""The logger in plain `spacy train`: rows, lines of JSON, scalars, and stopping."""

import io
import json
import math
import sys
from itertools import pairwise

import numpy as np
import pytest
import spacy
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from support.trainings import make_config, write_corpus

from spacy_bert_ner.train.dev_loss import measure_dev
from spacy_bert_ner.train.log import add_record, check_losses, check_score, read_log
from spacy_bert_ner.train.rates import read_rates


def run_training(folder, *, spans_key=None, **overrides):
    write_corpus(folder)
    (folder / "model").mkdir()
    overrides = {f"training.logger.{name}": value for name, value in overrides.items()}
    config = make_config(folder, **overrides)
    if spans_key is not None:
        config["components"]["ner"]["spans_key"] = spans_key
        config["training"]["score_weights"] = {f"spans_{spans_key}_f": 1.0, "ents_f": 0.0}
    config["training"]["logger"]["@loggers"] = "spacy-bert-ner.Logger.v1"
    nlp = init_nlp(config)
    stdout = io.StringIO()
    train(nlp, folder / "model", stdout=stdout, stderr=io.StringIO())
    return nlp, stdout.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    nlp, text = run_training(folder, plot=True, tensorboard=str(folder / "scalars"))
    return nlp, text, folder


def test_log_has_a_line_for_each_evaluation(trained):
    _, text, folder = trained
    records = read_log(folder / "model" / "log.jsonl")
    assert [record["step"] for record in records] == [0, 9, 18, 27]
    assert [record["epoch"] for record in records] == [0, 0, 1, 2]
    last = records[-1]
    assert last["ents_f"] == last["score"] == 1.0 == last["token_acc"]
    assert set(last["ents_per_type"]) == {"PER", "LOC"}
    assert last["loss"]["ner"] < records[1]["loss"]["ner"]
    assert last["words_per_second"] > 0 and last["memory"]["cpu"] > 50
    rows = text.splitlines()
    assert sum("100.00%" in row for row in rows) >= 1
    assert any(row.startswith("Best: score 1.0000 at step") for row in rows)


def test_a_span_group_is_scored_where_nothing_writes_to_ents(tmp_path):
    run_training(tmp_path, spans_key="mine")
    last = read_log(tmp_path / "model" / "log.jsonl")[-1]
    assert last["ents_f"] == last["score"] == 1.0
    assert set(last["ents_per_type"]) == {"PER", "LOC"}
    nlp = spacy.load(tmp_path / "model" / "model-best")
    assert nlp.meta["performance"]["spans_mine_f"] == 1.0


def test_dev_loss_is_that_of_the_saved_model(trained):
    _, _, folder = trained
    nlp = spacy.load(folder / "model" / "model-last")
    examples = list(Corpus(folder / "dev.spacy")(nlp))
    ner = nlp.get_pipe("ner")
    # The reference: the share of each gold path in all paths, one token after the other.
    steps = ner.tag_model.steps.astype("float64")
    nats, n_tokens = 0.0, 0
    for eg in examples:
        scores = ner.model.predict([eg.predicted])[0].astype("float64")
        gold = [ner.tags.index(tag.replace("U-", "B-")) for tag in eg.get_aligned_ner()]
        nats -= sum(row[tag] for row, tag in zip(scores, gold, strict=True))
        nats -= sum(steps[a, b] for a, b in pairwise([-1, *gold, -1]))
        reached = steps[-1]
        for row in scores:
            reached = np.logaddexp.reduce((reached[:-1] + row)[:, None] + steps[:-1])
        nats += reached[-1]
        n_tokens += len(gold)
    measured = measure_dev(nlp, examples)
    assert measured["dev_loss"] == pytest.approx(nats / n_tokens, rel=1e-3)
    last = read_log(folder / "model" / "log.jsonl")[-1]
    assert last["dev_loss"] == pytest.approx(measured["dev_loss"], rel=1e-4)
    assert not any(eg.predicted.ents for eg in examples)


def test_learning_rate_is_that_of_the_step(trained):
    _, _, folder = trained
    rates = {r["step"]: r["learn_rate"] for r in read_log(folder / "model" / "log.jsonl")}
    # 28 steps, 3 of them warm-up.
    assert rates == pytest.approx({0: 0.01 / 3, 9: 0.01 * 18 / 25, 18: 0.01 * 9 / 25, 27: 0.0})


def test_constant_rate_is_told():
    other = spacy.blank("en")
    other.config["training"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": 0.5}
    assert read_rates(other)(7) == 0.5
    other.config["training"]["optimizer"] = {"@optimizers": "Adam.v1"}
    assert read_rates(other)(7) is None


def test_learning_curve_is_drawn(trained):
    _, _, folder = trained
    assert (folder / "model" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "model" / "learning_curve.svg").read_text(encoding="utf8")


def test_scalars_of_tensorboard(trained):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _, _, folder = trained
    events = accumulator.EventAccumulator(str(folder / "scalars"))
    events.Reload()
    assert [event.step for event in events.Scalars("ents_f")] == [0, 9, 18, 27]
    assert {"loss/ner", "dev_loss", "ents_per_type/PER/f"} <= set(events.Tags()["scalars"])


def test_settings_can_turn_things_off(tmp_path):
    run_training(
        tmp_path, dev_sentences=0, path=str(tmp_path / "logs" / "run.jsonl"), progress_bar=False
    )
    records = read_log(tmp_path / "logs" / "run.jsonl")
    assert "dev_loss" not in records[-1]
    assert not (tmp_path / "model" / "log.jsonl").exists()
    assert not (tmp_path / "model" / "learning_curve.png").exists()


def test_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"Run `pip install 'tensorboard>=2\.16'`"):
        run_training(tmp_path, tensorboard=str(tmp_path))


def make_record(step=5, score=0.5, loss=1.0, **values):
    return {"step": step, "score": score, "loss": {"ner": loss}, **values}


@pytest.mark.parametrize("bad", [{"loss": math.nan}, {"loss": math.inf}, {"dev_loss": math.nan}])
def test_loss_that_is_not_finite_stops(bad):
    with pytest.raises(
        ValueError, match=r"at step 5 is (nan|inf).*best score was 0.9000 at step 3"
    ):
        check_losses(make_record(**bad), (0.9, 3))
    with pytest.raises(ValueError, match="no earlier evaluation had a score above 0"):
        check_losses(make_record(**bad), None)


def test_score_that_falls_to_0_stops():
    with pytest.raises(ValueError, match=r"fell to 0 at step 5; the best score was 0.9000"):
        check_score(make_record(score=0.0), (0.9, 3), n_gold=100)
    check_score(make_record(score=0.0), (0.2, 3), n_gold=100)
    check_score(make_record(score=0.0), None, n_gold=100)
    check_score(make_record(score=0.0), (0.9, 3), n_gold=2)


def test_log_of_an_earlier_training_is_kept(tmp_path):
    log = tmp_path / "log.jsonl"
    for step, earlier in ((0, []), (5, [0]), (0, []), (5, [0]), (0, [])):
        add_record(log, make_record(step), earlier=earlier)
    assert [r["step"] for r in read_log(log)] == [0]
    assert [r["step"] for r in read_log(tmp_path / "log.1.jsonl")] == [0, 5]
    assert [r["step"] for r in read_log(tmp_path / "log.2.jsonl")] == [0, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file, expected the log of a training run"),
        ("", "empty, expected one line per evaluation"),
        (json.dumps(make_record()) + "\n[1]\n", "line 2: expected an object with 'step'"),
        (json.dumps(make_record()) + '\n{"step"', r"log.jsonl, line 2: not JSON .* Resume"),
    ],
)
def test_bad_log(tmp_path, text, message):
    log = tmp_path / "log.jsonl"
    if text is not None:
        log.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=message):
        read_log(log)


@pytest.mark.parametrize("torn", ["", '{"step": 27, "lo', json.dumps(make_record(27)) + "\n"])
def test_a_resumed_run_replaces_what_a_killed_one_logged_after_its_checkpoint(tmp_path, torn):
    log = tmp_path / "log.jsonl"
    for earlier in ([], [9]):
        add_record(log, make_record([9, 18][len(earlier)]), earlier=earlier)
    log.write_text(log.read_text() + torn)
    add_record(log, make_record(27, score=0.75), earlier=[9, 18])
    assert [r["step"] for r in read_log(log)] == [9, 18, 27]
    assert read_log(log)[-1]["score"] == 0.75
    add_record(log, make_record(18, score=0.8), earlier=[9])
    assert [r["step"] for r in read_log(log)] == [9, 18]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
