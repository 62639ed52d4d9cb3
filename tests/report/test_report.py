"""Reports of whole pipelines: the same numbers everywhere, and everything escaped."""

import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from time import sleep

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Corpus
from support.evaluations import CASES, EVIL, make_ruler, write_data
from support.pipelines import DATA, make_examples, make_nlp, make_noisy, train
from typer.testing import CliRunner

from spacy_bert_ner import figures
from spacy_bert_ner.cli.main import bert_ner_cli
from spacy_bert_ner.evaluate.lines import Line
from spacy_bert_ner.evaluate.metrics import evaluate_model
from spacy_bert_ner.evaluate.predict import predict_view
from spacy_bert_ner.evaluate.provenance import describe_file, describe_pipeline
from spacy_bert_ner.evaluate.slices import read_seen
from spacy_bert_ner.evaluate.sources import Sources, find_data_report
from spacy_bert_ner.report.examples import choose_colors, pick_errors
from spacy_bert_ner.report.report import evaluate, write_report
from spacy_bert_ner.report.text import format_percent
from spacy_bert_ner.score.calibrate import calibrate

ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "img"}
FILES = {"metrics.json", "report.md", "report.html"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained model and the docs that it is evaluated on."""
    folder = tmp_path_factory.mktemp("trained")
    nlp = make_nlp()
    train(nlp, n_steps=12)
    nlp.to_disk(folder / "model")
    rows = [*DATA, ("Paris is in New York", [(0, 5, "LOC"), (12, 20, "LOC")]), ("Nothing", [])]
    docs = [eg.reference for eg in make_examples(nlp, rows) for _ in range(3)]
    DocBin(docs=docs).to_disk(folder / "test.spacy")
    return folder


@pytest.fixture(scope="module")
def report(trained):
    """Its report, and the results."""
    metrics = evaluate(
        trained / "model", trained / "test.spacy", trained / "out", train=trained / "test.spacy"
    )
    return trained / "out", metrics


def test_one_file_holds_the_numbers_of_all(report):
    folder, metrics = report
    assert FILES.issubset(path.name for path in folder.iterdir())
    text = (folder / "metrics.json").read_text(encoding="utf8")
    assert json.loads(text, parse_constant=pytest.fail) == json.loads(json.dumps(metrics))
    shown = format_percent(metrics["words"]["micro"]["f"])
    assert 0 < metrics["words"]["micro"]["f"] <= 1
    for name in ("report.md", "report.html"):
        page = (folder / name).read_text(encoding="utf8")
        assert shown in page
        assert format_percent(metrics["tokens"]["accuracy"]) in page
        assert metrics["model"]["sha256"] in page


@pytest.mark.parametrize(("view", "gold_words"), [("words", True), ("text", False)])
def test_scores_are_those_of_spacy_evaluate(trained, report, view, gold_words):
    nlp = spacy.load(trained / "model")
    corpus = Corpus(trained / "test.spacy", gold_preproc=gold_words)
    expected = nlp.evaluate(list(corpus(nlp)))
    scores = report[1][view]
    for key in "prf":
        assert scores["spacy"][key] == pytest.approx(expected[f"ents_{key}"])
        assert scores["micro"][key] == pytest.approx(expected[f"ents_{key}"])
        for label, row in scores["labels"].items():
            assert row[key] == pytest.approx(expected["ents_per_type"][label][key])
    assert scores["certainty"]["ece"] == pytest.approx(expected["ents_ece"])


def test_the_calibration_error_is_reported_before_and_after(report, tmp_path):
    assert report[1]["model"]["dev_ece"] == {"before": None, "after": None}
    nlp = make_nlp()
    train(nlp)
    found = calibrate(nlp, "ner", make_noisy(nlp))
    nlp.to_disk(tmp_path / "model")
    told = describe_pipeline(spacy.load(tmp_path / "model"), "model")["dev_ece"]
    assert told["after"] == pytest.approx(found["ents_ece"])
    assert told["before"] == pytest.approx(found["ents_ece_uncalibrated"])


def test_a_bert_ner_is_probed_before_it_decodes(report):
    _, metrics = report
    assert metrics["loss"] > 0
    assert (
        metrics["rules"]["best_tags"]["rules"].keys() == metrics["rules"]["decoded"]["rules"].keys()
    )
    assert metrics["rules"]["decoded"]["ill_formed"] == 0
    assert metrics["pieces"] is None  # its encoder is a CNN
    assert metrics["seen"].keys() == {"seen"} | (metrics["seen"].keys() & {"new"})
    assert metrics["robustness"]["as it is"]["right"] == metrics["words"]["micro"]["right"]
    assert metrics["speed"]["words_per_second"] > 0


def test_every_number_is_documented(report):
    described = set(re.findall(r"`([^`]+)`", (ROOT / "docs/metrics.md").read_text("utf8")))
    _, metrics = report
    free = {
        "labels",
        "packages",
        "tags",
        "entity_length",
        "sentence_length",
        "seen",
        "kinds",
        "robustness",
    }
    unknown = []

    def walk(value, path):
        for key in value if isinstance(value, dict) else ():
            if path[-1:] and path[-1] in free:
                walk(value[key], [*path, "*"])
            elif key not in described:
                unknown.append(".".join([*path, key]))
            else:
                walk(value[key], [*path, key])
        for item in value if isinstance(value, list) else ():
            walk(item, path)

    walk(metrics, [])
    assert not unknown


def test_a_pipeline_that_writes_span_groups_is_refused(trained, tmp_path):
    nlp = make_nlp(spans_key="sc")
    train(nlp, n_steps=1)
    nlp.to_disk(tmp_path / "model")
    with pytest.raises(ValueError, match=r"writes to doc.spans\['sc'\].*spacy evaluate"):
        evaluate(tmp_path / "model", trained / "test.spacy", tmp_path / "out")


@pytest.fixture(scope="module", params=CASES, ids=[name.replace(" ", "-") for name in CASES])
def case(request, tmp_path_factory):
    """The report of one odd corpus."""
    folder = tmp_path_factory.mktemp("case")
    rows, patterns = CASES[request.param]
    data = write_data(folder / "test.spacy", rows)
    model = make_ruler(folder / "model", patterns)
    with pytest.MonkeyPatch.context() as patch:
        if request.param not in ("60 labels", "right to left, emoji", "markup"):
            patch.setattr(figures, "find_spec", {}.get)  # drawing takes most of the time
        metrics = evaluate(model, data, folder / "out", compare=model)
    return request.param, folder / "out", metrics


class Page(HTMLParser):
    """Collects the elements of a page; fails on those that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.texts, self.attrs = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attrs += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_odd_corpora_have_a_report_too(case):
    name, folder, metrics = case
    json.dumps(metrics, allow_nan=False)
    page = Page((folder / "report.html").read_text(encoding="utf8"))
    assert "script" not in page.names
    assert not [
        value
        for key, value in page.attrs
        if key in ("href", "src")
        and ":" in value
        and not value.startswith("data:image/svg+xml;base64,")
    ]
    assert not [key for key, _ in page.attrs if key.startswith("on")]
    if name == "no entities":
        assert metrics["words"]["micro"]["f"] is None
        assert metrics["tokens"]["accuracy"] == 1.0
    if name == "a label that is never found":
        assert metrics["words"]["labels"]["PER"] == {
            "p": 0.0, "r": 0.0, "f": 0.0, "right": 0, "found": 0, "gold": 3,
        }  # fmt: skip
    if name == "60 labels":
        assert len(metrics["words"]["labels"]) == 60
    if name in ("markup", "right to left, emoji"):
        shown = "".join(page.texts)
        assert all(label in shown for label in metrics["words"]["labels"])
    assert metrics["comparison"]["words"]["f_difference"] == 0


def test_text_is_never_a_template_nor_markup(case):
    name, folder, _ = case
    if name == "markup":
        page = (folder / "report.html").read_text(encoding="utf8")
        assert "<script>" not in page and "49" not in re.findall(r"&#34;(.{2})", page)
        assert EVIL in "".join(Page(page).texts)


def test_stock_pipelines_are_evaluated_and_compared(trained, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "stock")
    command = ["evaluate", str(tmp_path / "stock"), str(trained / "test.spacy")]
    command += ["--output", str(tmp_path / "out"), "--compare", str(trained / "model")]
    done = CliRunner().invoke(bert_ner_cli, command)
    assert done.exit_code == 0, done.output
    assert "on raw text: 12 docs" in done.output
    metrics = srsly.read_json(tmp_path / "out" / "metrics.json")
    assert metrics["loss"] is None and metrics["words"]["certainty"] is None
    ours, other = metrics["words"]["micro"]["f"], metrics["compared_with"]["words"]["micro"]["f"]
    assert metrics["comparison"]["words"]["f_difference"] == pytest.approx(ours - other)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf8")
    assert "Texts in which they differ" in page
    assert "gives no probabilities" in page


def test_log_and_data_report_beside_model_and_data_are_shown(trained, tmp_path):
    model = make_ruler(tmp_path / "run" / "model-best", [("Oslo", "LOC")])
    record = {"step": 10, "epoch": 0, "loss": {"ner": 1.5}, "dev_loss": 0.5, "ents_f": 0.25}
    srsly.write_jsonl(tmp_path / "run" / "log.jsonl", [record])
    data = write_data(tmp_path / "test.spacy", [(["Oslo"], ["B-LOC"])])
    part = {
        "path": "corpus/test.spacy",
        "docs": 7,
        "sentences": 8,
        "tokens": 9,
        "entities": {"GEO": 4321},
    }
    note = {"count": 3, "text": "stray tags"}
    srsly.write_json(tmp_path / "report.json", {"parts": {"train": part}, "findings": [note]})
    evaluate(model, data, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf8")
    assert "25.00" in page and "4,321" in page and "stray tags" in page
    assert (tmp_path / "out" / "learning_curve.svg").is_file()


def test_a_log_and_a_report_of_other_programs_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "find_spec", {}.get)  # drawing takes most of the time
    model = make_ruler(tmp_path / "run" / "model", [("Oslo", "LOC")])
    data = write_data(tmp_path / "test.spacy", [(["Oslo"], ["B-LOC"])])
    part = {"path": "elsewhere/dev.spacy", "docs": 7}
    others = [
        ("not JSON", "[1, 2"),
        ('{"step": 1, "loss": 0.5}\n', '{"parts": ["a"], "findings": 3}'),
        ("", json.dumps({"parts": {"dev": part}, "findings": []})),
        ("\udcff", "\udcff"),
    ]
    for log, report in others:
        (tmp_path / "run" / "log.jsonl").write_text(log, "utf8", "surrogateescape")
        (tmp_path / "report.json").write_text(report, "utf8", "surrogateescape")
        metrics = evaluate(model, data, tmp_path / "out")
        assert metrics["learning_curve"] is metrics["data_report"] is None
    with pytest.raises(ValueError, match=r"expected the report.json that `bert-ner convert`"):
        evaluate(model, data, tmp_path / "out", data_report=tmp_path / "run" / "model/meta.json")


def test_the_report_of_a_single_converted_file_is_found(tmp_path):
    data = write_data(tmp_path / "dev.spacy", [(["Oslo"], ["B-LOC"])])
    parts = {"dev": {"path": str(data)}}
    for name in ("report.json", "dev.report.json"):
        srsly.write_json(tmp_path / name, {"parts": parts, "findings": []})
        assert find_data_report(data) == tmp_path / name
    (tmp_path / "dev.report.json").unlink()
    assert find_data_report(tmp_path) == tmp_path / "report.json"


def test_data_in_a_folder_are_read_and_hashed_alike(trained, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("a.spacy", "b.spacy", ".hidden.spacy", "notes.txt"):
        (folder / name).write_bytes((trained / "test.spacy").read_bytes())
    assert read_seen(folder) == read_seen(trained / "test.spacy") != {}
    described = describe_file(folder)
    assert described["bytes"] == 2 * (trained / "test.spacy").stat().st_size
    for name in (".hidden.spacy", "notes.txt"):  # spaCy reads neither
        (folder / name).unlink()
    assert describe_file(folder) == described


def test_the_title_is_what_people_call_the_model(trained, report, tmp_path):
    assert report[1]["model"]["title"] == f"{trained.name}/model"
    titled = evaluate(trained / "model", trained / "test.spacy", tmp_path, title="en_my_ner 1.0")
    assert titled["model"]["title"] == "en_my_ner 1.0"
    for name in ("report.md", "report.html"):
        assert "en_my_ner 1.0" in (tmp_path / name).read_text(encoding="utf8")


def test_the_same_results_give_the_same_bytes(trained, tmp_path):
    nlp = spacy.load(trained / "model")
    log = tmp_path / "log.jsonl"
    srsly.write_jsonl(log, [{"step": n, "loss": {"ner": 1 / n}, "ents_f": 0.5} for n in (1, 2)])
    found = evaluate_model(nlp, "model", trained / "test.spacy", Sources(log=log))
    for name in "ab":
        write_report(found, tmp_path / name, log=log)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 3 + 2 * 5  # numbers, two pages, and five pictures as SVG and PNG
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_labels_that_the_model_does_not_have_are_named(trained, tmp_path):
    rows = [(["Oslo", "sings"], ["B-LOC", "O"]), (["Tea", "sings"], ["B-food", "O"])]
    data = write_data(tmp_path / "a.spacy", rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = evaluate(trained / "model", data, tmp_path / "out")
    (message,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "does not have the labels food, so it misses 1 of the gold entities" in message
    assert found["words"]["labels"]["food"]["gold"] == 1


def test_time_on_raw_text_includes_the_tokenizer(trained):
    nlp = spacy.load(trained / "model")
    tokenize, calls = nlp.tokenizer, []

    def tokenize_slowly(text):
        calls.append(text)
        sleep(0.02)
        return tokenize(text)

    nlp.tokenizer = tokenize_slowly
    view = predict_view(nlp, trained / "test.spacy", gold_words=False)
    assert view.seconds >= 0.02 * len(view.lines) and len(calls) >= len(view.lines)
    calls.clear()
    predict_view(nlp, trained / "test.spacy", gold_words=True)
    assert calls == []


def test_missing_and_wrong_files_are_errors(trained, tmp_path):
    empty = write_data(tmp_path / "empty.spacy", [])
    with pytest.raises(ValueError, match=r"empty.spacy: no doc with a token, expected gold docs"):
        evaluate(trained / "model", empty, tmp_path)
    with pytest.raises(ValueError, match=r"gone.spacy: no such file"):
        evaluate(trained / "model", empty, tmp_path, train=tmp_path / "gone.spacy")
    (tmp_path / "a.conll").write_text("Oslo B-LOC\n")
    (tmp_path / "a.spacy").write_text("Oslo B-LOC\n")
    for name, message in (("a.conll", "expected a .spacy file"), ("a.spacy", "cannot be read")):
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            read_seen(tmp_path / name)
    other = tmp_path / "other.json"
    srsly.write_json(other, ["no report"])
    with pytest.raises(ValueError, match=r"other.json: no 'parts' and 'findings', expected"):
        evaluate(trained / "model", trained / "test.spacy", tmp_path, data_report=other)
    for model, data, message in (
        (trained / "model", tmp_path / "gone.spacy", "no such file"),
        ("no_such_model", empty, "Can't find model 'no_such_model'"),
    ):
        command = ["evaluate", str(model), str(data), "--output", str(tmp_path / "out")]
        done = CliRunner().invoke(bert_ner_cli, command)
        assert done.exit_code == 1 and message in " ".join(done.output.split())


def test_without_matplotlib_there_are_no_pictures(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "find_spec", {}.get)
    model = make_ruler(tmp_path / "model", [("London", "LOC")])
    evaluate(model, trained / "test.spacy", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "<img" not in (tmp_path / "out" / "report.html").read_text(encoding="utf8")


def test_pictures_name_their_axes_and_units(report):
    folder, _ = report
    expected = {
        "labels": ("F1 (%)", "label (gold entities)"),
        "confusion": ("label found", "gold label", "share of the row (%)"),
        "calibration": ("probability of the entities (%)", "share that is right (%)"),
        "thresholds": ("threshold: lowest probability kept", "score (%)"),
    }
    for name, texts in expected.items():
        svg = (folder / f"{name}.svg").read_text(encoding="utf8")
        assert all(text in svg for text in texts)
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_examples_of_long_texts_are_cut_around_the_error():
    words = ["word"] * 400
    text = " ".join(words)
    units = [(5 * i, 5 * i + 4) for i in range(400)]
    line = Line(0, text, units, [(200, 201, "A")], [(200, 202, "A")], [None], frozenset(), 400, 0)
    (sample,) = pick_errors([line])["border"]
    assert sample.title == "A → A"
    (_, gold), (_, found) = sample.rows
    assert [part for part in gold if part.label] == [("word", "A", True)]
    assert [part for part in found if part.label] == [("word word", "A", True)]
    shown = "".join(part.text for part in gold)
    assert shown.startswith("… word") and shown.endswith("word …") and len(shown) < 400


def test_labels_have_colours_of_their_own():
    colors = choose_colors(["ORG", "geo", "per", "Person"])
    assert colors["ORG"] == "#7aecec" and colors["Person"] == "#aa9cfc"
    assert len(set(colors.values())) == 4
    assert len(choose_colors([f"L{i}" for i in range(60)])) == 60
