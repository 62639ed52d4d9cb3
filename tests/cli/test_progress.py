"""Progress bars: on a terminal only, on stderr only, with the number of items that come."""

import io
import sys

import pytest
from spacy.tokens import DocBin
from support.commands import run
from support.pipelines import make_examples

from spacy_bert_ner.cli import convert, doctor_data, evaluate, find_threshold
from spacy_bert_ner.cli._errors import show_note
from spacy_bert_ner.cli._progress import show_progress

COLUMNS = "Alex B-PER\nlives O\n\nBerlin B-LOC\nis O\n\nBerlin B-LOC\nis O\n\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "is_shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_bar_is_shown_on_a_terminal_only(monkeypatch, capsys, stream, is_shown):
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(show_progress(iter("abc"), text="Reading x", total=3)) == ["a", "b", "c"]
    assert ("Reading x" in stream.getvalue() and "/3" in stream.getvalue()) == is_shown
    assert is_shown or stream.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_a_note_is_not_appended_to_a_bar(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in show_progress([1], text="Reading x"):
        show_note("a note")
    before = stream.getvalue().partition("a note")[0]
    assert "Reading x" in before and "Reading x" not in before.rpartition("\r")[2]


@pytest.fixture
def watched(monkeypatch):
    """What the commands watch: text → (total, how many items came)."""
    seen = {}

    def watch(items, *, text, total=None):
        known = total if total is not None else len(items) if hasattr(items, "__len__") else None
        seen[text] = [known, 0]
        for item in items:
            seen[text][1] += 1
            yield item

    for module in (convert, doctor_data, evaluate, find_threshold):
        monkeypatch.setattr(module, "show_progress", watch)
    return seen


def test_converting_is_watched_in_both_passes(watched, tmp_path):
    (tmp_path / "a.conll").write_text(COLUMNS)
    expected = {"Reading a.conll": [None, 3], "Converting": [3, 3]}
    assert run("doctor-data", tmp_path / "a.conll")[0] == 0
    assert watched == expected
    watched.clear()
    assert run("convert", tmp_path / "a.conll", tmp_path / "a.spacy")[0] == 0
    assert watched == expected
    # One of the equal sentences is left out of the other part, and not counted.
    parts = [f"{part}={tmp_path / 'a.conll'}" for part in ("train", "dev")]
    assert run("convert", *parts, tmp_path / "out")[0] == 0
    assert watched["Converting"] == [3, 3]


def test_predicting_is_watched(watched, trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    gold = [eg.reference for eg in make_examples(trained)]
    DocBin(docs=gold).to_disk(tmp_path / "test.spacy")
    code, output = run(
        "find-threshold", tmp_path / "model", tmp_path / "test.spacy", "--precision", 0.1
    )
    assert code == 0, output
    assert watched == {"Predicting test.spacy": [len(gold), len(gold)]}
    watched.clear()
    command = ["evaluate", tmp_path / "model", tmp_path / "test.spacy", "--output"]
    code, output = run(*command, tmp_path / "report")
    assert code == 0, output
    assert watched == {"Predicting test.spacy": [len(gold), len(gold)]}
