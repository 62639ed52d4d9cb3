"""Forecasts of F1 hold where the law is known, and the command draws the curve."""

import json

import numpy as np
import pytest
from spacy.tokens import Doc, DocBin
from support.commands import run
from support.evaluations import VOCAB
from support.trainings import make_config, write_corpus

from spacy_bert_ner.corpus.docbin import read_docs
from spacy_bert_ner.review.data_curve import CURVE_FILES, summarize_curve
from spacy_bert_ner.review.power_law import PowerLaw

SIZES = [480, 1000, 2000, 4000]


def follow_law(n, floor=0.1, factor=0.25, exponent=0.4):
    return 1 - floor - factor * (n / 1000) ** -exponent


def test_intervals_hold_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(60):
        law = {
            "floor": rng.uniform(0.02, 0.15),
            "factor": rng.uniform(0.1, 0.3),
            "exponent": rng.uniform(0.2, 0.8),
        }
        sizes = np.repeat(SIZES, 3)
        scores = [follow_law(n, **law) + rng.normal(0, 0.004) for n in sizes]
        fitted = PowerLaw(sizes.tolist(), scores)
        for n in (8000, 16000):
            truth = follow_law(n, **law) + rng.normal(0, 0.004)
            low, high = fitted.forecast(n, with_noise=True)[1:]
            hits.append(low <= truth <= high)
        gain = fitted.forecast_gain(4000, 500)
        assert gain.low <= gain.value <= gain.high and gain.high - gain.low < 0.02
    assert np.mean(hits) >= 0.85


def test_more_seeds_make_the_interval_narrower():
    rng = np.random.default_rng(0)
    widths = {2: 0.0, 12: 0.0}
    for n_seeds in [*widths] * 10:
        sizes = np.repeat(SIZES, n_seeds)
        law = PowerLaw(sizes.tolist(), [follow_law(n) + rng.normal(0, 0.01) for n in sizes])
        forecast = law.forecast(8000)
        widths[n_seeds] += forecast.high - forecast.low
        assert law.noise == pytest.approx(0.01, rel=0.6)
    assert widths[12] < 0.8 * widths[2]
    with pytest.raises(ValueError, match="F1 at 2 sizes, expected at least 3"):
        PowerLaw([1, 2, 2], [0.1, 0.2, 0.3])


def test_the_interval_is_wide_where_no_power_law_fits():
    """F1 after one epoch of so few sentences: the first models have hardly learned."""
    scores = [0.2795, 0.5827, 0.7488, 0.7881]
    misfit = PowerLaw([480, 1000, 2000, 4000], scores).forecast(8000, with_noise=True)
    fit = PowerLaw(SIZES, [follow_law(n) for n in SIZES]).forecast(8000, with_noise=True)
    assert misfit.low <= 0.8055 <= misfit.high
    assert misfit.high - misfit.low > 2 * (fit.high - fit.low)


@pytest.mark.parametrize("exponent", [0.5, 1.5])
def test_a_flat_curve_asks_for_another_kind_of_data(exponent):
    points = [(n, 0, follow_law(n, factor=0.03, exponent=exponent)) for n in SIZES]
    summary = summarize_curve(points, more=500)
    assert summary["text"].startswith(
        f"500 more sentences: {100 * summary['gain']['value']:+.1f} F1"
    )
    assert ("Another kind of data is wanted" in summary["text"]) == (exponent == 1.5)
    assert list(summary["forecasts"]) == [6000, 8000, 16000]


def test_the_command_trains_on_nested_parts_once(tmp_path):
    write_corpus(tmp_path, n_train=24)
    make_config(tmp_path).to_disk(tmp_path / "config.cfg")
    command = ["learning-curve", tmp_path / "train.spacy", tmp_path / "dev.spacy", "--seeds", "1"]
    command += ["--config", tmp_path / "config.cfg", "--training.max_epochs", "1"]
    code, output = run(*command, "--shares", "25,50,150")
    assert code == 1 and "expected numbers above 0, at most 1" in output
    code, output = run(*command, "--shares", "a")
    assert code == 1 and "--shares a, expected percents such as" in output
    code, output = run(*command, "--shares", "1,2,100")
    assert code == 1 and "--shares of 24 docs are 2 sizes, 1, 24, expected at least 3" in output
    code, output = run(*command, "--seeds", "0")
    assert code == 1 and "--seeds 0, expected 1 or more" in output
    DocBin(docs=[Doc(VOCAB, words=["no"], ents=["O"])]).to_disk(tmp_path / "none.spacy")
    code, output = run(*command[:2], tmp_path / "none.spacy", *command[3:])
    assert code == 1 and "none.spacy: no entities, expected some to measure F1 on" in output
    assert not (tmp_path / "train.curve").exists()
    code, output = run(*command, "--shares", "25,50,100")
    assert code == 0 and "500 more sentences: " in output, output
    folder = tmp_path / "train.curve"
    assert {path.name for path in folder.iterdir()} == {"models", *CURVE_FILES}
    points = json.loads((folder / "curve.json").read_text())["points"]
    assert [point["sentences"] for point in points] == [6, 12, 24]
    parts = [
        [doc.text for doc in read_docs(folder / f"models/seed-0/{n}/train.spacy", VOCAB)]
        for n in (6, 12, 24)
    ]
    assert parts[0] == parts[1][:6] and parts[1] == parts[2][:12]
    code, output = run(*command, "--shares", "25,50,100", "--force")
    assert code == 0 and "Saved the best pipeline" not in output
