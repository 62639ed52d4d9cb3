"""Labels that are wrong on purpose are found, answered and corrected."""

import csv
import json

import pytest
from support.commands import run
from support.reviews import RIGHT, WRONG, read_rows, save_model, write_docs

from spacy_bert_ner.review.estimate import estimate_noise
from spacy_bert_ner.review.find import FINDINGS
from spacy_bert_ner.review.judge import Judgement, Place


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("review") / "model")


def find(tmp_path, model, rows):
    data = write_docs(tmp_path / "train.spacy", rows)
    code, output = run("find-label-errors", data, "--model", model, "--force")
    assert code == 0, output
    lines = (tmp_path / "train.review" / "candidates.jsonl").read_text("utf8").splitlines()
    return data, [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_label_is_found_by_its_kind_and_corrected(tmp_path, model, kind):
    rows = [RIGHT, (RIGHT[0], WRONG[kind]), RIGHT]
    data, found = find(tmp_path, model, rows)
    assert {path.name for path in (tmp_path / "train.review").iterdir()} == set(FINDINGS)
    (candidate,) = found
    assert candidate["kind"] == kind and candidate["id"].startswith("1-0-")
    assert candidate["gold_probability"] < 0.5 < candidate["proposed_probability"]
    for span in [*candidate["gold"], *candidate["proposed"]]:
        assert candidate["text"][span["start"] : span["end"]] == span["text"]
    answers = tmp_path / "answers.jsonl"
    for answer, wanted in (("accept", rows[0][1]), ("reject", WRONG[kind])):
        answers.write_text(json.dumps({**candidate, "answer": answer}))
        code, output = run("apply-corrections", data, answers, tmp_path / f"{answer}.spacy")
        assert code == 0, output
        write_docs(tmp_path / "wanted.spacy", [RIGHT, (RIGHT[0], wanted), RIGHT])
        assert read_rows(tmp_path / f"{answer}.spacy") == read_rows(tmp_path / "wanted.spacy")


def test_the_same_text_with_another_label_in_like_contexts_is_found(tmp_path, model):
    # "Alex Smith" is PER for the model too, but ORG at four other places
    org = (RIGHT[0], [tag.replace("PER", "ORG") for tag in RIGHT[1]])
    _, found = find(tmp_path, model, [RIGHT, *[org] * 4])
    (candidate,) = [x for x in found if x["kind"] == "inconsistent"]
    assert candidate["id"].startswith("0-0-0-2-")
    assert candidate["elsewhere"] == {"ORG": 8}
    assert [x["label"] for x in candidate["proposed"]] == ["ORG"]


def answer_tools(folder, answer):
    """Answer as people do in Label Studio, Prodigy and a spreadsheet: a file of each."""
    review = folder / "train.review"
    tasks = json.loads((review / "label-studio.json").read_text("utf8"))
    for task in tasks:
        result = task.pop("predictions")[0]["result"]
        task["annotations"] = [{"result": result, "was_cancelled": answer == "reject"}]
    (folder / "studio.json").write_text(json.dumps(tasks))
    lines = (review / "prodigy.jsonl").read_text("utf8").splitlines()
    lines = [json.dumps({**json.loads(line), "answer": answer}) for line in lines]
    (folder / "prodigy.jsonl").write_text("\n".join(lines))
    with (review / "answers.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "answer": answer} for row in csv.DictReader(file)]
    with (folder / "table.csv").open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return [folder / name for name in ("studio.json", "prodigy.jsonl", "table.csv")]


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_each_tool_gives_the_answers_back(tmp_path, model, answer):
    # two wrong places in one sentence: each task holds the proposal for one of them
    both = ["B-LOC", "I-LOC", "O", "O", "O", "O", "O", "O"]
    data, found = find(tmp_path, model, [(RIGHT[0], both), *[RIGHT] * 3])
    assert [x["kind"] for x in found].count("label") == len(found) - 1 == 1
    wanted = write_docs(
        tmp_path / "wanted.spacy", [(RIGHT[0], RIGHT[1] if answer == "accept" else both)]
    )
    for path in answer_tools(tmp_path, answer):
        code, output = run("apply-corrections", data, path, tmp_path / "out.spacy", "--force")
        assert code == 0, output
        assert read_rows(tmp_path / "out.spacy")[0] == read_rows(wanted)[0], path.name


def test_a_table_takes_labels_and_holds_no_formula(tmp_path, model):
    words = ["=cmd|x", *RIGHT[0]]
    data, found = find(tmp_path, model, [(words, ["O", *WRONG["missed"]])])
    table = tmp_path / "train.review" / "answers.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sentence"] for row in rows] == ["'" + " ".join(words) + " "] * len(found)
    place = next(row for row in rows if row["proposed"] == "New York (LOC)")
    out = tmp_path / "out.spacy"
    for answer in ("PER", "O", "acept"):
        place["answer"] = answer
        with table.open("w", encoding="utf8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        code, output = run("apply-corrections", data, table, out, "--force")
        if answer == "acept":
            assert code == 1 and "expected accept, reject, O or a label of train.spacy" in output
        else:
            assert code == 0 and ((5, 7, "PER") in read_rows(out)[0][1]) == (answer == "PER")


@pytest.mark.parametrize(
    ("answer", "ents"),
    [
        ("accept", [(0, 2, "PER"), (4, 6, "LOC")]),
        ("PER", [(0, 2, "PER"), (2, 3, "PER"), (4, 6, "LOC")]),
    ],
)
def test_a_table_removes_an_invented_entity_or_gives_it_another_label(
    tmp_path, model, answer, ents
):
    data, _ = find(tmp_path, model, [(RIGHT[0], WRONG["invented"])])
    table = tmp_path / "train.review" / "answers.csv"
    text = table.read_text("utf-8-sig").replace(",,invented", f",{answer},invented")
    table.write_text(text)
    assert run("apply-corrections", data, table, tmp_path / "out.spacy")[0] == 0
    assert read_rows(tmp_path / "out.spacy")[0][1] == ents


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "7-0-0-1-12345678"}, "is not there, expected the corpus in which"),
        ({"id": "nonsense"}, "is not there, expected the corpus in which"),
        ({"answer": "maybe"}, "the answer 'maybe', expected accept or reject"),
    ],
)
def test_wrong_answers_are_refused(tmp_path, model, change, message):
    data, (candidate,) = find(tmp_path, model, [(RIGHT[0], WRONG["label"])])
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps({**candidate, "answer": "accept", **change}))
    code, output = run("apply-corrections", data, answers, tmp_path / "out.spacy")
    assert code == 1 and message in output
    assert not (tmp_path / "out.spacy").exists()


def test_what_cannot_be_applied_is_counted(tmp_path, model):
    data, (candidate,) = find(tmp_path, model, [(RIGHT[0], WRONG["label"])])
    before = read_rows(data)
    task = {"review_id": candidate["id"], "text": candidate["text"], "answer": "accept"}
    inside = {**task, "spans": [{"start": 1, "end": 3, "label": "PER"}]}
    whole = {**task, "spans": [{"start": 0, "end": 10, "label": "PER"}]}
    answers = tmp_path / "answers.jsonl"
    for records, outcome in (([inside], "border inside a token"), ([inside, whole], "disagree")):
        answers.write_text("\n".join(map(json.dumps, records)))
        code, output = run("apply-corrections", data, answers, tmp_path / "out.spacy", "--force")
        assert code == 0 and f"{outcome} 1" in output, output
        assert read_rows(tmp_path / "out.spacy") == before


def test_the_estimate_is_the_share_of_wrong_labels():
    right = Place(0, 1, ((0, 1, "A"),), ((0, 1, "A"),), 0.99, 0.99)
    wrong = Place(0, 1, ((0, 1, "B"),), ((0, 1, "A"),), 0.01, 0.99)
    unsure = Place(0, 1, ((0, 1, "B"),), ((0, 1, "A"),), 0.4, 0.5)
    said = [Judgement([wrong if i % 20 == 0 else right], 0) for i in range(1000)]
    found = estimate_noise([*said, *[Judgement([unsure], 0)] * 300])
    low, high = found["wrong_share"]["interval"]
    assert found["wrong_share"]["value"] == 0.05 and 0.03 < low < 0.05 < high < 0.07
    assert found["f1_of_a_perfect_model"]["value"] == pytest.approx(0.95)
    invented = Place(0, 1, ((0, 1, "A"),), (), 0.001, 0.999)
    more = estimate_noise([*said, *[Judgement([invented], 0)] * 50])
    assert more["wrong_share"]["value"] == pytest.approx(100 / 1050)
    assert more["f1_of_a_perfect_model"]["value"] == pytest.approx(2 * 950 / (2000 + 50))
    assert found["n_certain"] == 1000 and found["certain_from"] == 0.99
    # a wrong label in a hard place is in the upper bound only
    assert found["differing_share"] == (50 + 300) / 1300
    assert estimate_noise([])["differing_share"] is None
    assert estimate_noise([])["wrong_share"] == {"value": None, "interval": None}


def test_every_report_says_that_the_share_is_a_bound_and_why(tmp_path, model):
    data = write_docs(tmp_path / "train.spacy", [RIGHT, (RIGHT[0], WRONG["label"])])
    code, output = run("find-label-errors", data, "--model", model)
    assert code == 0 and "Wrong labels: at least" in output and "at most 25.0 %" in output
    assert "leaves out wrong labels in hard places" in output
    folder = tmp_path / "train.review"
    summary = json.loads((folder / "summary.json").read_text("utf8"))
    assert summary["differing_share"] == 1 / 4
    page = (folder / "label-errors.html").read_text("utf8")
    assert "Wrong labels, at least" in page and "at most 25.0 %" in page
    for text in (page, summary["method"]):
        assert "Wrong labels in hard places do not count" in text
    answers = folder / "answers.csv"
    answers.write_text(answers.read_text("utf-8-sig").replace(",,label,", ",accept,label,"))
    code, output = run("apply-corrections", data, answers, tmp_path / "out.spacy")
    assert "Wrong: 1 of 1 place with an answer, so at least 25.0 % of the labels" in output
