"""Labels that are wrong on purpose are found, answered and corrected."""

import csv
import json
import os

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from support.commands import run
from support.evaluations import VOCAB
from support.reviews import RIGHT, WRONG, read_rows, save_model, write_docs

from spacy_bert_ner.review.estimate import estimate_noise
from spacy_bert_ner.review.find import FINDINGS
from spacy_bert_ner.review.judge import Judgement, Place
from spacy_bert_ner.review.sentences import read_sentences


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
    assert (
        code == 0
        and "Estimated share of wrong labels: at least" in output
        and "at most 25.0 %" in output
    )
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


@pytest.fixture
def twice_wrong(tmp_path, model):
    both = ["B-LOC", "I-LOC", "O", "O", "B-PER", "I-PER", "O", "O"]
    data, found = find(tmp_path, model, [(RIGHT[0], both), RIGHT, RIGHT])
    assert [x["kind"] for x in found] == ["label", "label"]
    return data


def test_answers_that_are_applied_twice_change_nothing_more(tmp_path, twice_wrong):
    # each task of a tool holds the whole sentence, with the other wrong label
    for path in answer_tools(tmp_path, "accept"):
        once, again = tmp_path / "once.spacy", tmp_path / "again.spacy"
        assert "corrected 2" in run("apply-corrections", twice_wrong, path, once, "--force")[1]
        assert "confirmed 2" in run("apply-corrections", once, path, again, "--force")[1]
        assert read_rows(again) == read_rows(once) == [read_rows(once)[1]] * 3, path.name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_table_may_come_from_any_spreadsheet(tmp_path, model, encoding, line_end):
    words = ["Zoë", *RIGHT[0][1:]]
    data, _ = find(tmp_path, model, [(words, WRONG["label"]), RIGHT])
    text = (tmp_path / "train.review" / "answers.csv").read_text("utf-8-sig")
    rows = [row.replace(",,", ",accept,", 1) for row in text.splitlines()]
    table = tmp_path / "table.csv"
    table.write_bytes((line_end.join(rows) + line_end).encode(encoding))
    code, output = run("apply-corrections", data, table, tmp_path / "out.spacy")
    assert code == 0 and "corrected" in output, output
    assert (4, 6, "LOC") in read_rows(tmp_path / "out.spacy")[0][1]


def test_deleted_regions_are_an_answer_and_open_tasks_are_none(tmp_path, twice_wrong):
    tasks = json.loads((tmp_path / "train.review" / "label-studio.json").read_text("utf8"))
    minimal = {**tasks[0]["data"], "id": 7, "annotation_id": 3}  # no key "label"
    emptied = {"data": tasks[0]["data"], "annotations": [{"result": []}]}
    for answers, n in (([minimal], 0), ([emptied], 0), ([{**emptied, "annotations": []}], 2)):
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        out = tmp_path / "out.spacy"
        code, output = run(
            "apply-corrections", twice_wrong, tmp_path / "answers.json", out, "--force"
        )
        assert code == 0 and len(read_rows(out)[0][1]) == n
        assert ("no answers, so out.spacy is train.spacy unchanged" in output) == (n == 2)
        assert ("records that nobody annotated, left out: 1" in output) == (n == 2)


def test_labels_that_the_model_and_the_data_do_not_share_are_reported(tmp_path, model):
    other = (RIGHT[0], [tag.replace("PER", "PERSON") for tag in RIGHT[1]])
    data = write_docs(tmp_path / "train.spacy", [other, (RIGHT[0], ["O"] * 8)])
    code, output = run("find-label-errors", data, "--model", model)
    assert code == 0 and "train.spacy does not have proposed labels: PER at 1 place." in output
    assert "1 entity not judged: no model that did not see them knows their label" in output
    page = (tmp_path / "train.review" / "label-errors.html").read_text("utf8")
    assert "does not have proposed labels: PER at 1 place." in page
    write_docs(data, [(RIGHT[0], [tag.replace("LOC", "GPE") for tag in other[1]])])
    code, output = run("find-label-errors", data, "--model", model, "--force")
    assert code == 1 and "It has the labels GPE, PERSON, expected some of" in output


def test_an_entity_across_sentences_is_counted_and_its_words_are_not_judged(tmp_path, model):
    # "New" ends one sentence, and "York" begins the next: the entity stays as it is
    words, tags = RIGHT
    doc = Doc(VOCAB, words=words, ents=tags, sent_starts=[i in (0, 5) for i in range(8)])
    DocBin(docs=[doc]).to_disk(tmp_path / "train.spacy")
    first, second = read_sentences(tmp_path / "train.spacy", VOCAB)
    assert (first.n_cut, second.n_cut) == (1, 0)
    assert [token.ent_iob for token in first.gold] == [3, 1, 2, 2, 0]
    assert [token.ent_iob for token in second.gold] == [0, 2, 2]
    code, output = run("find-label-errors", tmp_path / "train.spacy", "--model", model)
    assert code == 0 and "1 entity not judged" in output
    summary = json.loads((tmp_path / "train.review" / "summary.json").read_text("utf8"))
    assert (summary["n_entities"], summary["n_candidates"]) == (2, 0)


def test_the_name_of_the_data_may_have_other_bytes_than_utf8(tmp_path, model):
    folder = tmp_path / os.fsdecode(b"k\xf6ln")
    folder.mkdir()
    find(folder, model, [RIGHT, (RIGHT[0], WRONG["label"])])
    summary = json.loads((folder / "train.review" / "summary.json").read_text("utf8"))
    assert summary["data"] == str(folder / "train.spacy")


def test_a_model_that_writes_to_a_span_group_is_refused(tmp_path, model):
    grouped = spacy.load(model, config={"components.ner.spans_key": "sc"})
    grouped.to_disk(tmp_path / "model")
    data = write_docs(tmp_path / "train.spacy", [RIGHT])
    code, output = run("find-label-errors", data, "--model", tmp_path / "model")
    assert code == 1 and "'ner' writes to doc.spans['sc']" in output
