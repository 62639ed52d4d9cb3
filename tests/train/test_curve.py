"""The learning curve."""

import pytest

from spacy_bert_ner import figures
from spacy_bert_ner.train.curve import draw_learning_curve
from spacy_bert_ner.train.log import add_record


def write_log(path, **values):
    steps = (0, 10, 20)
    for i, step in enumerate(steps):
        record = {"step": step, "loss": {"ner": 2.0 / (step + 1)}, "ents_f": step / 25, **values}
        add_record(path, record, earlier=steps[:i])


def test_both_files_are_written_and_the_same_log_gives_the_same_svg(tmp_path):
    write_log(tmp_path / "log.jsonl", dev_loss=0.5)
    paths = draw_learning_curve(tmp_path / "log.jsonl", tmp_path / "a folder")
    assert [path.name for path in paths] == ["learning_curve.png", "learning_curve.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    svg = paths[1].read_text(encoding="utf8")
    assert "dev loss" in svg and "dev F1" in svg and "train loss" in svg


def test_what_was_not_measured_is_not_drawn(tmp_path):
    write_log(tmp_path / "log.jsonl", ents_f=None)
    paths = draw_learning_curve(tmp_path / "log.jsonl", tmp_path)
    assert "dev loss" not in paths[1].read_text(encoding="utf8")


def test_matplotlib_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "find_spec", {}.get)
    with pytest.raises(ValueError, match=r"Run `pip install 'matplotlib>=3[.0-9]*'`"):
        draw_learning_curve(tmp_path / "log.jsonl", tmp_path)
