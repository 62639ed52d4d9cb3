"""A job from start to end: what is missing is done, another job is refused, errors are kept."""

import json
import os

import pytest
from support.annotating import (
    check_same_output,
    here,
    make_records,
    model,
    read_errors,
    read_output,
    run_job,
    write_lines,
)
from support.commands import run

from spacy_bert_ner.annotate import part as part_module
from spacy_bert_ner.annotate.run import TooManyErrorsError
from spacy_bert_ner.manifest import write_manifest
from spacy_bert_ner.train.output import locked_output

__all__ = ["here", "model"]


def test_each_record_gets_what_the_pipeline_finds(trained, model, tmp_path, here):
    records = make_records(8)
    data = write_lines(tmp_path / "a.jsonl", records)
    state = run_job(model, [data], tmp_path / "out")
    found = read_output(tmp_path / "out")
    assert list(found) == [f"{data}:{i}" for i in range(1, 9)]
    for record, line in zip(records, found.values(), strict=True):
        doc = trained(record["text"])
        assert line["text"] == record["text"] and line["number"] == record["number"]
        assert [(e["start"], e["end"], e["text"], e["label"]) for e in line["entities"]] == [
            (e.start_char, e.end_char, e.text, e.label_) for e in doc.ents
        ]
        scores = [e["score"] for e in line["entities"]]
        assert scores == pytest.approx([e._.score for e in doc.ents])
    assert sorted(path.name for path in (tmp_path / "out" / "parts").iterdir()) == [
        f"part-00000{i}.jsonl" for i in range(3)
    ]
    assert (state.total, state.records, state.errors, state.parts) == (8, 8, 0, 3)
    n_entities = sum(len(line["entities"]) for line in found.values())
    assert state.entities.total() == n_entities > 0
    assert state.words == sum(len(trained.make_doc(record["text"])) for record in records)


def test_a_rerun_does_what_is_missing(model, tmp_path, here):
    data, out = write_lines(tmp_path / "a.jsonl", make_records(8)), tmp_path / "out"
    first = run_job(model, [data], out)
    whole = read_output(out)
    assert here == [0, 1, 2]
    state = run_job(model, [data], out)
    assert here == [0, 1, 2] and state.done_now == 0
    assert (state.records, state.words, state.entities) == (8, first.words, first.entities)
    # killed before the receipt, and while a file was written
    (out / "receipts" / "part-000001.json").unlink()
    (out / "parts" / ".part-000002.jsonl.77.part").write_text("half")
    assert run_job(model, [data], out).done_now == 3
    assert here == [0, 1, 2, 1]
    assert read_output(out) == whole
    assert len(list((out / "parts").iterdir())) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 0.5}, r"settings.threshold = None, now 0.5"),
        ({"to": "prodigy"}, r"settings.to = 'jsonl', now 'prodigy'"),
        ({"id_field": "number"}, r"settings.id_field"),
        ({"model": "1.2.4"}, r"model.version = '1.2.3', now '1.2.4'.*model.sha256"),
    ],
)
def test_another_job_is_refused_and_replaced_by_force(
    change, message, trained, model, tmp_path, here
):
    data, out = write_lines(tmp_path / "a.jsonl", make_records(4)), tmp_path / "out"
    run_job(model, [data], out)
    before = read_output(out)
    if "model" in change:
        trained.meta["version"] = change["model"]
        trained.to_disk(tmp_path / "other")
        write_manifest(tmp_path / "other")
        trained.meta["version"] = "1.2.3"
        model, change = tmp_path / "other", {}
    with pytest.raises(ValueError, match=f"holds another job: .*{message}.*`force`"):
        run_job(model, [data], out, **change)
    assert read_output(out) == before
    (out / "notes.txt").write_text("mine")
    state = run_job(model, [data], out, force=True, part_records=100, **change)
    assert state.parts == len(list((out / "parts").iterdir())) == 1
    assert (out / "notes.txt").exists()


def test_inputs_may_grow_in_place_and_in_number(model, tmp_path, here):
    records = make_records(10)
    (tmp_path / "in").mkdir()
    data = write_lines(tmp_path / "in" / "b.jsonl", records[:4])
    run_job(model, [tmp_path / "in"], tmp_path / "out")
    write_lines(data, records[:7])
    write_lines(tmp_path / "in" / "a.jsonl", records[7:])
    state = run_job(model, [tmp_path / "in"], tmp_path / "out")
    assert (state.total, state.records, state.done_now) == (10, 10, 6)
    run_job(model, [tmp_path / "in"], tmp_path / "whole")
    check_same_output(tmp_path / "out", tmp_path / "whole")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"text": "changed"}, {"text": "London"}], "has changed since"),
        ([{"text": "London is big"}], "has changed since"),
        (None, "not among the inputs"),
    ],
)
def test_changed_and_missing_inputs_are_refused(content, message, model, tmp_path, here):
    texts = [{"text": "London is big"}, {"text": "London"}]
    data = write_lines(tmp_path / "a.jsonl", texts)
    other = write_lines(tmp_path / "b.jsonl", texts)
    run_job(model, [data, other], tmp_path / "out")
    inputs = [data, other] if content else [other]
    if content:
        write_lines(data, content)
    with pytest.raises(ValueError, match=f"a.jsonl.* {message}.*`force`"):
        run_job(model, inputs, tmp_path / "out")


def test_a_last_line_that_grew_is_a_change(model, tmp_path, here):
    data = tmp_path / "a.txt"
    data.write_text("London\nNew")
    run_job(model, [data], tmp_path / "out")
    data.write_text("London\nNew\nParis\n")
    assert run_job(model, [data], tmp_path / "out").done_now == 1
    data.write_text("London\nNew")
    run_job(model, [data], tmp_path / "out", force=True)
    data.write_text("London\nNew York\n")
    with pytest.raises(ValueError, match="lines were added"):
        run_job(model, [data], tmp_path / "out")


BAD = [
    ("{not json", "not JSON"),
    ('["a list"]', "a list, expected an object"),
    ('{"body": "x"}', "no field 'text'"),
    ('{"text": null}', "text: nothing, expected a text"),
    ('{"text": 5}', "text: 5, expected a text"),
    ('{"text": ["x"]}', "text: a list, expected a text"),
    ('{"text": "half \\ud83d"}', "text: half a surrogate pair"),
    ('{"text": "caf\udce9"}', "bytes that are not UTF-8"),
    ('{"text": "' + "a" * 1_000_001 + '"}', "1,000,001 characters, expected at most 1,000,000"),
]


def test_bad_records_are_errors_with_id_and_reason(model, tmp_path, here):
    lines = [json.dumps(record) for record in make_records(10)] + [line for line, _ in BAD]
    data = tmp_path / "a.jsonl"
    data.write_bytes("".join(f"{line}\n" for line in lines).encode("utf8", "surrogateescape"))
    state = run_job(model, [data], tmp_path / "out", max_errors=0.5)
    errors = read_errors(tmp_path / "out")
    assert list(errors) == [f"{data}:{11 + i}" for i in range(len(BAD))]
    for reason, (_, expected) in zip(errors.values(), BAD, strict=True):
        assert expected in reason
    assert (state.records, state.errors) == (10, len(BAD))
    assert set(read_output(tmp_path / "out")) == {f"{data}:{i}" for i in range(1, 11)}


def test_errors_are_tried_again_and_the_good_ones_are_not(model, tmp_path, here, monkeypatch):
    data = write_lines(tmp_path / "a.jsonl", [{"text": f"London {i}"} for i in range(9)])
    out = tmp_path / "out"
    make_doc, bad = part_module.Labeller.label, {"London 1", "London 3", "London 4", "London 5"}

    def label(self, texts):
        docs = make_doc(self, texts)
        return ["broken" if text in bad else doc for text, doc in zip(texts, docs, strict=True)]

    monkeypatch.setattr(part_module.Labeller, "label", label)
    state = run_job(model, [data], out, max_errors=1)
    assert (state.records, state.errors, here) == (5, 4, [0, 1, 2])
    bad.remove("London 3")
    # 3, 4 and 5 are a whole part, done anew as it is; 1 gets a part of its own
    state = run_job(model, [data], out, max_errors=1)
    assert (state.records, state.errors, state.done_now) == (6, 3, 4)
    assert here[3:] == [1, 3]
    bad.clear()
    state = run_job(model, [data], out, max_errors=0)
    assert (state.records, state.errors, state.done_now) == (9, 0, 3)
    assert read_errors(out) == {}
    assert len(read_output(out)) == 9
    assert run_job(model, [data], out).done_now == 0


def test_too_many_errors_end_the_job(model, tmp_path, here):
    lines = [*make_records(96), *["{"] * 4]
    data = write_lines(tmp_path / "a.jsonl", lines)
    with pytest.raises(TooManyErrorsError, match=r"of 100 records .*:97: not JSON.*max_errors"):
        run_job(model, [data], tmp_path / "out", max_errors=0.01)
    assert 1 < len(read_errors(tmp_path / "out")) <= 4
    assert run_job(model, [data], tmp_path / "out", max_errors=0.04).errors == 4


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ({"text": "x"}, r"record 5: no id in the field 'key'"),
        ({"text": "x", "key": None}, r"record 5: no id"),
        ({"text": "x", "key": ""}, r"record 5: no id"),
        ({"text": "x", "key": "k2"}, r"record 5: the id 'k2', which .*a.jsonl, record 3 also has"),
    ],
)
def test_missing_and_repeated_ids_are_refused_at_the_start(last, message, model, tmp_path, here):
    records = [{"text": "London", "key": f"k{i}"} for i in range(4)]
    good = write_lines(tmp_path / "good.jsonl", records)
    run_job(model, [good], tmp_path / "good", id_field="key")
    assert list(read_output(tmp_path / "good")) == ["k0", "k1", "k2", "k3"]
    data = write_lines(tmp_path / "a.jsonl", [*records, last])
    with pytest.raises(ValueError, match=message):
        run_job(model, [data], tmp_path / "out", id_field="key")
    assert here == [0, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "xml"}, '`to = "xml"`, expected one of jsonl, parquet'),
        ({"engine": "dask"}, "expected one of local, ray, spark"),
        ({"max_errors": 1.5}, "`max_errors = 1.5`"),
        ({"threshold": -1}, "`threshold = -1`"),
        ({"workers": 0}, "`workers = 0`, expected at least 1"),
        ({"part_records": 0}, "`part_records = 0`"),
        ({"engine": "ray", "gpu_id": 0}, '`gpu_id = 0` with `engine = "ray"`.*`gpus_per_worker`'),
        ({"gpus_per_worker": 1}, "`gpus_per_worker = 1` with .*expected `gpu_id`"),
        ({"text_field": "body"}, "fields 'text', 'number', expected 'body'.*`text_field`"),
    ],
)
def test_wrong_settings_are_errors_before_the_work(settings, message, model, tmp_path, here):
    data = write_lines(tmp_path / "a.jsonl", make_records(2))
    with pytest.raises(ValueError, match=message):
        run_job(model, [data], tmp_path / "out", **settings)
    assert here == []


def test_unusable_inputs_and_outputs_are_errors(model, tmp_path, here):
    data = write_lines(tmp_path / "a.jsonl", [])
    with pytest.raises(ValueError, match="no records"):
        run_job(model, [data], tmp_path / "out")
    write_lines(data, make_records(2))
    with pytest.raises(FileNotFoundError, match=r"nope\*.jsonl: no such file"):
        run_job(model, [tmp_path / "nope*.jsonl"], tmp_path / "out")
    with pytest.raises(ValueError, match=r"a.docx: expected files ending in .txt, .jsonl"):
        run_job(model, [write_lines(tmp_path / "a.docx", ["x"])], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="expected a model"):
        run_job(tmp_path / "none", [data], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with (
        pytest.warns(UserWarning, match="left out 1 file with other endings"),
        pytest.raises(ValueError, match="is inside"),
    ):
        run_job(model, [tmp_path], tmp_path / "out")
    (tmp_path / "other" / "parts").mkdir(parents=True)
    (tmp_path / "other" / "parts" / "part-000000.jsonl").write_text("somebody's")
    with pytest.raises(ValueError, match=r"but no job.json.*`force`"):
        run_job(model, [data], tmp_path / "other")


def test_two_jobs_in_one_folder_are_refused(model, tmp_path, here):
    data, out = write_lines(tmp_path / "a.jsonl", make_records(2)), tmp_path / "out"
    with (
        locked_output(out, what="annotate job"),
        pytest.raises(ValueError, match="another annotate job writes to this folder"),
    ):
        run_job(model, [data], out)
    assert run_job(model, [data], out).records == 2


def test_names_of_files_may_have_other_bytes_than_utf8(model, tmp_path, here):
    folder = tmp_path / os.fsdecode(b"k\xf6ln")
    folder.mkdir()
    data = write_lines(folder / os.fsdecode(b"\xe4.jsonl"), make_records(2))
    assert run_job(model, [data], folder / "out").records == 2
    assert run_job(model, [data], folder / "out").done_now == 0


def test_a_damaged_plan_is_an_error(model, tmp_path, here):
    data, out = write_lines(tmp_path / "a.jsonl", make_records(2)), tmp_path / "out"
    run_job(model, [data], out)
    (out / "job.json").write_text("{")
    with pytest.raises(ValueError, match=r"job.json: damaged"):
        run_job(model, [data], out)


def test_a_threshold_leaves_uncertain_entities_out(model, tmp_path, here):
    data = write_lines(tmp_path / "a.jsonl", make_records(4))
    run_job(model, [data], tmp_path / "all")
    scores = [e["score"] for r in read_output(tmp_path / "all").values() for e in r["entities"]]
    bar = sorted(scores)[len(scores) // 2]
    run_job(model, [data], tmp_path / "some", threshold=bar)
    kept = [e["score"] for r in read_output(tmp_path / "some").values() for e in r["entities"]]
    assert kept == [score for score in scores if score >= bar] and 0 < len(kept) < len(scores)


def test_the_command_says_what_it_did(model, tmp_path, here):
    data = write_lines(tmp_path / "a.jsonl", [*make_records(3), "{"])
    code, text = run("annotate", model, data, "--output", tmp_path / "out")
    assert code == 1 and "1 of 4 records cannot be labelled" in text and "--max-errors" in text
    args = ("annotate", model, data, "--output", tmp_path / "out", "--max-errors", 1)
    code, text = run(*args)
    assert code == 0 and "3 records, 3 entities (LOC 2, PER 1)" in text
    assert "1 record could not be labelled" in text
    code, text = run(*args, "--quiet")
    assert (code, text) == (0, "")
