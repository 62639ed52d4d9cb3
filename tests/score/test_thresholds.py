"""Thresholds: found for a target precision, saved, and taken from the config."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.util import load_config, load_model_from_config
from support.pipelines import (
    DATA,
    EXPECTED,
    make_examples,
    make_nlp,
    make_noisy,
    read_ents,
    read_scores,
    train,
)
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bert_ner.cli.main import bert_ner_cli
from spacy_bert_ner.manifest import BrokenModelError, verify, write_manifest
from spacy_bert_ner.score.reliability import Threshold, find_threshold
from spacy_bert_ner.score.thresholds import ALL, find_thresholds, find_unsafe, save_with_thresholds

TEXT = DATA[0][0]


def test_threshold_keeps_most_entities_at_the_precision():
    probs = np.asarray([0.9, 0.8, 0.8, 0.7, 0.6, 0.5])
    is_right = np.asarray([1, 1, 0, 1, 1, 0])
    best = find_threshold(probs, is_right, 5, precision=0.75)
    assert best == (pytest.approx(0.55), 0.8, 0.8, 5)
    # All that are tied stay together: 0.8 alone holds one that is wrong.
    assert find_threshold(probs, is_right, 5, precision=0.9) == (pytest.approx(0.85), 1.0, 0.2, 1)
    assert find_threshold(probs, is_right, 5, precision=0.5).value == 0.0
    # Nothing is between these two.
    probs = np.asarray([1.0, np.nextafter(1.0, 0.0)])
    assert find_threshold(probs, np.asarray([1, 0]), 2, precision=1.0).value == 1.0
    with pytest.raises(ValueError, match=r"precision of 1.0: the best is 0.6667, with the 3 of 3"):
        find_threshold(np.full(3, 0.5), np.asarray([1, 1, 0]), 3, precision=1.0)
    with pytest.raises(ValueError, match="finds no entity"):
        find_threshold(np.zeros(0), np.zeros(0), 3, precision=0.9)
    with pytest.raises(ValueError, match="target precision is 95"):
        find_threshold(probs, is_right, 5, precision=95)


def test_a_threshold_allows_for_the_last_digits_of_a_probability():
    probs = np.asarray([0.99999, 0.99999, 0.9])
    found = find_threshold(probs, np.asarray([1, 1, 0]), 3, precision=1.0)
    assert 0.9 + 1e-6 < found.value < 0.99999 - 1e-6


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
    assert [eg.predicted._.ent_scores for eg in examples] == [[], []]

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
    assert "target precision is 7.0" in done.output


def test_a_pipeline_without_the_component_is_an_error():
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match=r"Found 0 `bert_ner` components .*expected one"):
        find_thresholds(nlp, [], precision=0.9)
