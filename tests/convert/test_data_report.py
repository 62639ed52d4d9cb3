import json
from itertools import pairwise

import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support import samples

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.languages import MissingTokenizerError
from spacy_bert_ner.report.data_page import find_quantiles, render_report, write_data_report
from spacy_bert_ner.report.pictures import draw_data
from spacy_bert_ner.report.text import code


def count_letters(words):
    return [0 if word == "$" else len(word) for word in words]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text(samples.columns() + "San X I-LOC\nRemo X I-LOC\nis X O\n\n")
    return path


def test_the_page_says_everything(path):
    settings = Conversion(split="50/50", seed=2, count_pieces=count_letters, window=20)
    report = convert([path], settings=settings)
    page = render_report(report)
    item = report["inputs"][0]
    assert item["documents"] == 3
    assert f"`data.conll`: {item['bytes']:,} bytes, sha256 `{item['sha256']}`" in page
    assert "| `data.conll` | – | conll | utf-8, 0 non-ASCII bytes | IOB2 | 3 | 5 | 30 | 8 |" in page
    assert "the tokenizer for `en` keeps the borders of 8 of 8 entities (100.00%)" in page
    assert "- words without a wordpiece: 1 (1 distinct)" in page
    assert "- sentences of more than 20 pieces: 2" in page
    assert "**1 ×** stray tags, repaired" in page
    line = path.read_text().split("\n").index("San X I-LOC") + 1
    assert f"    - `data.conll:{line} 'San' I-LOC, IOB2 wants B-LOC`" in page
    assert "| `split` | `50/50` |" in page
    assert "| `LOC` |" in page


def test_the_page_without_an_encoder_or_findings(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Oslo B-LOC\n\n")
    page = render_report(convert([path]))
    assert "Not checked. To check it, set `encoder` to its folder" in page
    assert page.count("## Findings\n\nNone.") == 1


def test_entities_that_the_tokenizer_cuts_are_listed(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("He O\nmet O\nJones B-PER\nInc B-ORG\n. O\n\n")
    report = convert([path])
    found = report["tokenizer"]
    assert (found["cut"], found["kept_share"], found["tokens"]) == (1, 0.5, {"Inc.": 1})
    assert found["cut_by_full_stop"] == 1
    (note,) = report["findings"]
    assert note["places"] == ["a.conll:4 'Inc' ORG in the token 'Inc.'"]
    assert "1 end before a full stop that the tokenizer keeps with them" in render_report(report)


def test_files_of_a_report(tmp_path, path):
    report = convert([path])
    paths = write_data_report(report, tmp_path / "out" / "report")
    assert [item.name for item in paths] == ["report.json", "report.md", "report.png"]
    assert json.loads(paths[0].read_text()) == report
    assert "![Entities per label, words per sentence](report.png)" in paths[1].read_text()
    assert paths[2].read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_the_page_says_how_to_get_a_picture(tmp_path, path, monkeypatch):
    monkeypatch.setattr("spacy_bert_ner.figures.find_spec", lambda name: None)
    paths = write_data_report(convert([path]), tmp_path / "report")
    assert [item.name for item in paths] == ["report.json", "report.md"]
    assert "Run `pip install 'matplotlib>=3" in paths[1].read_text()


def test_a_picture_of_odd_labels(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Oslo B-$_x$\nLee B-\\frac\nKo B-a|b`c\n\n")
    (picture,) = write_data_report(convert([path]), tmp_path / "r")[2:]
    assert picture.stat().st_size > 1_000
    assert "| `` a\\|b`c `` | 1 | 1 |" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize("n_labels", [1, 60])
def test_the_picture_has_plain_numbers_and_room_for_its_labels(n_labels):
    part = {"entities": {f"LABEL_{i}": 1000 for i in range(n_labels)}, "lengths": {"3": 20}}
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    with rc_context({"text.parse_math": False}):  # as `draw_figure` does
        draw_data(figure, {"parts": {"train": part}})
        figure.canvas.draw()
    by_label, _ = figure.axes
    for axes in figure.axes:
        shown = [text.get_text() for text in axes.get_yticklabels(which="both")]
        assert "10" in shown and all(
            text.replace(",", "").isdigit() for text in filter(None, shown)
        )
    boxes = [text.get_window_extent() for text in by_label.get_xticklabels()]
    assert len(boxes) == n_labels
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_text_of_a_file_never_becomes_markup():
    assert code("<b>{{ x }}</b>") == "`<b>{{ x }}</b>`"
    assert code("a`b") == "`` a`b ``"
    assert code("a\nb") == r"`'a\nb'`"
    assert code("") == "–"


def test_quantiles():
    assert find_quantiles({}) == (0, 0, 0)
    assert find_quantiles({"5": 1}) == (5, 5, 5)
    assert find_quantiles({str(n): 1 for n in range(1, 101)}) == (50, 95, 100)


def test_an_empty_part_and_one_without_entities_are_findings(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Oslo B-LOC\n\nx O\n\n")
    kinds = {
        note["kind"]: note["places"]
        for seed in range(8)
        for note in convert([path], settings=Conversion(split="40/40/20", seed=seed))["findings"]
    }
    assert kinds["empty-part"] == ["test"]
    assert kinds["no-entity"][0] in ("train", "dev")


def test_borders_are_not_called_kept_if_no_tokenizer_saw_them(path, monkeypatch):
    def refuse(lang):
        raise MissingTokenizerError("install it")

    monkeypatch.setattr("spacy_bert_ner.convert.convert.make_tokenizer", refuse)
    report = convert([path])
    assert report["tokenizer"]["kept_share"] is None
    page = render_report(report)
    assert "The borders of entities were not checked." in page
    assert "keeps the borders" not in page
