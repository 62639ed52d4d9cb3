"""Folds without leaks, trained once, resumed, and read by the command."""

import io

import pytest
import spacy
from spacy.tokens import Doc
from support.commands import run
from support.runs import StopError, stop_at
from support.trainings import make_config, write_corpus

from spacy_bert_ner.corpus.docbin import read_docs
from spacy_bert_ner.review.folds import draw_folds, train_folds


def make_doc(vocab, *sentences):
    words = [word for sentence in sentences for word in sentence.split()]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence.split()))]
    return Doc(vocab, words=words, sent_starts=starts)


def test_repeats_share_a_fold_even_across_docs():
    vocab = spacy.blank("en").vocab
    docs = [make_doc(vocab, f"a{i} b", f"a{i + 1} b") for i in range(3)]  # a chain of repeats
    docs += [make_doc(vocab, f"x{i}") for i in range(20)] + [make_doc(vocab, "x3", "new")]
    for seed in range(5):
        folds = draw_folds(docs, 4, seed=seed)
        assert len(set(folds[:3])) == 1 and folds[6] == folds[-1]
        sizes = [folds.count(fold) for fold in range(4)]
        assert sum(sizes) == len(docs) and max(sizes) - min(sizes) <= 2
    with pytest.raises(ValueError, match="`folds = 1`, expected a number from 2 to 21"):
        draw_folds(docs, 1, seed=0)
    with pytest.raises(ValueError, match="2 docs, which all share sentences, expected at least 2"):
        draw_folds([make_doc(vocab, "the same")] * 2, 2, seed=0)


def test_a_fold_that_is_done_is_not_trained_again_and_one_that_stopped_goes_on(
    tmp_path, monkeypatch
):
    write_corpus(tmp_path, n_train=24)
    config = make_config(tmp_path)

    def train(**overrides):
        log = io.StringIO()
        done = train_folds(
            tmp_path / "train.spacy",
            make_config(tmp_path, **{"training.max_epochs": 2, **overrides}),
            tmp_path / "folds",
            folds=2,
            stdout=log,
            stderr=io.StringIO(),
        )
        return done, log.getvalue()

    with monkeypatch.context() as patch, pytest.raises(StopError):
        stop_at(4, patch)
        train()
    models, log = train()
    assert "Continuing after step" in log and log.count("Saved the best pipeline") == 2
    seen = sorted(number for _, numbers in models for number in numbers)
    assert seen == list(range(24))
    texts = [doc.text for doc in read_docs(tmp_path / "train.spacy", spacy.blank("en").vocab)]
    for model, numbers in models:
        learned = read_docs(model.parents[1] / "train.spacy", spacy.blank("en").vocab)
        assert not {doc.text for doc in learned} & {texts[i] for i in numbers}
    assert train()[1].count("Saved the best pipeline") == 0
    assert train(**{"training.seed": 4})[1].count("Saved the best pipeline") == 2
    config["corpora"]["train"]["path"] = "other.spacy"
    with pytest.raises(ValueError, match=r"does not use \$\{paths.train\}"):
        train_folds(tmp_path / "train.spacy", config, tmp_path / "other")


def test_the_command_trains_folds(tmp_path):
    write_corpus(tmp_path)
    make_config(tmp_path).to_disk(tmp_path / "config.cfg")
    command = ["find-label-errors", tmp_path / "train.spacy", "--folds", "2"]
    code, output = run(*command, "--config", tmp_path / "no.cfg")
    assert code == 1 and "no.cfg does not exist, expected a config. Set --config to one" in output
    command += ["--config", tmp_path / "config.cfg", "--training.max_epochs", "2"]
    code, output = run(*command)
    assert code == 0 and "Estimated share of wrong labels" in output, output
    code, output = run(*command)
    assert code == 1 and "--force" in output
