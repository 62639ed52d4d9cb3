"""No command writes over what the user did not name, whatever it is called with."""

import json
import shutil

import pytest
from spacy.tokens import Doc, DocBin
from support import samples
from support.commands import run

REPORT = {"report.json", "report.md", "report.png"}


def read_all(folder):
    """The content of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.conll", "b.conll"):
        (tmp_path / name).write_text(samples.columns())
    return tmp_path


@pytest.mark.parametrize("flags", [[], ["--force"]])
def test_a_forgotten_output_does_not_overwrite_the_last_input(data, flags):
    before = read_all(data)
    code, output = run("convert", "a.conll", "b.conll", "a.conll", *flags)
    assert code == 1 and "a.conll is read as an input" in output
    assert read_all(data) == before
    code, output = run("convert", "a.conll", "b.conll")
    assert code == 1 and "b.conll exists. Choose another name, or set --force" in output
    assert read_all(data) == before


def test_convert_twice_needs_force_and_removes_only_its_own_parts(data):
    command = ["convert", "a.conll", "out.v1", "--split"]
    assert run(*command, "50/25/25")[0] == 0
    out = data / "out.v1"
    assert set(read_all(out)) == {"train.spacy", "dev.spacy", "test.spacy"} | REPORT
    (out / "mine.txt").write_text("mine")
    before = read_all(out)
    code, output = run(*command, "50/50")
    assert code == 1 and "train.spacy exists" in output and "--force" in output
    assert read_all(out) == before
    code, output = run(*command, "50/50", "--force")
    assert code == 0 and "left as it was" not in output
    assert set(read_all(out)) == {"train.spacy", "dev.spacy", "mine.txt"} | REPORT
    (out / "test.spacy").write_text("of the user")
    code, output = run(*command, "50/50", "--force")
    assert code == 0 and "out.v1/test.spacy: not part of this conversion, and left" in output
    assert (out / "test.spacy").read_text() == "of the user"


@pytest.mark.parametrize("name", ["report.json", "report.md", "report.png"])
def test_a_report_is_not_overwritten(data, name):
    (data / "out").mkdir()
    (data / "out" / name).write_text("mine")
    for command in (["convert", "a.conll", "out", "--split", "50/50"],
                    ["doctor-data", "a.conll", "--output", "out"]):  # fmt: skip
        code, output = run(*command)
        assert code == 1 and f"{name} exists" in output and "--force" in output
        assert read_all(data / "out") == {name: b"mine"}
        assert run(*command, "--force")[0] == 0
        assert (data / "out" / name).read_bytes() != b"mine"
        for path in (data / "out").iterdir():
            path.unlink()
        (data / "out" / name).write_text("mine")


def test_a_report_next_to_a_file_is_not_overwritten(data):
    (data / "dev.report.md").write_text("mine")
    code, output = run("convert", "a.conll", "dev.spacy")
    assert code == 1 and "dev.report.md exists" in output
    assert not (data / "dev.spacy").exists()
    assert run("convert", "a.conll", "dev.spacy", "--force")[0] == 0
    assert json.loads((data / "dev.report.json").read_text())["parts"]["dev"]["path"] == "dev.spacy"


def test_a_checkpoint_and_a_model_are_never_written_over(data, get_encoder):
    shutil.copytree(get_encoder("bert"), data / "checkpoint")
    (data / "link").symlink_to(data / "checkpoint")
    before = read_all(data / "checkpoint")
    for source in ("checkpoint", "dir:checkpoint", "link"):
        for target in ("checkpoint", "link", "checkpoint/out", "."):
            code, output = run("from-hf", source, target, "--force")
            assert code == 1 and "✘" in output, output
    for source in ("checkpoint", "link"):
        code, output = run("to-hf", source, "checkpoint", "--force")
        assert code == 1 and "is read as an input" in output
        code, output = run("fetch", f"dir:{source}", "checkpoint", "--force")
        assert code == 1 and "is read as an input" in output
    assert read_all(data / "checkpoint") == before


def test_fetch_keeps_what_it_did_not_write(data, get_encoder):
    (data / "out").mkdir()
    (data / "out" / "mine.txt").write_text("mine")
    code, output = run("fetch", f"dir:{get_encoder('bert')}", "out")
    assert code == 1 and "out exists" in output and "--force" in output
    assert read_all(data / "out") == {"mine.txt": b"mine"}
    code, output = run("fetch", f"dir:{get_encoder('bert')}", "out", "--force")
    assert code == 0, output
    assert (data / "out" / "mine.txt").read_text() == "mine"
    assert (data / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["metrics.json", "report.html", "labels.png"])
def test_a_report_of_an_evaluation_is_not_overwritten(data, name):
    (data / "out").mkdir()
    (data / "out" / name).write_text("mine")
    run("convert", "a.conll", "test.spacy")
    code, output = run("evaluate", "model", "test.spacy", "--output", "out")
    assert code == 1 and f"out/{name} exists" in output and "--force" in output
    assert read_all(data / "out") == {name: b"mine"}


def test_plot_and_verify_ask_first(data):
    (data / "log.jsonl").write_text("{}")
    (data / "learning_curve.svg").write_text("mine")
    code, output = run("plot", "log.jsonl", ".")
    assert code == 1 and "learning_curve.svg exists" in output
    (data / "model").mkdir()
    (data / "model" / "manifest.json").write_text("{}")
    code, output = run("verify", "model", "--write")
    assert code == 1 and "manifest.json exists" in output and "--force" in output
    assert (data / "model" / "manifest.json").read_text() == "{}"


@pytest.mark.parametrize("command", [["package", "--name", "x"], ["find-threshold"]])
def test_other_folders_are_not_replaced_without_force(data, command, trained):
    trained.to_disk(data / "model")
    (data / "out").mkdir()
    (data / "out" / "mine.txt").write_text("mine")
    for name in ("scores", "lock", "source"):
        (data / f"{name}.json").write_text("{}")
    flags = {
        "package": ["out", "--scores", "scores.json", "--lock", "lock.json",
                    "--data", "source.json"],
        "find-threshold": ["a.conll", "--precision", "0.9", "--output", "out"],
    }[command[0]]  # fmt: skip
    code, output = run(command[0], "model", *flags, *command[1:])
    assert code == 1 and "out exists" in output and "--force" in output, output
    assert read_all(data / "out") == {"mine.txt": b"mine"}


def test_an_unknown_component_is_named_with_those_that_exist(data, trained):
    trained.to_disk(data / "model")
    for command in (["find-threshold", "model", "a.conll", "--precision", "0.9"],
                    ["to-hf", "model", "out"]):  # fmt: skip
        code, output = run(*command, "--name", "nope")
        assert code == 1 and "'nope' is no bert_ner of this pipeline" in output, output
        assert "--name" in output and "Traceback" not in output


def test_data_without_annotation_is_refused(data, trained):
    trained.to_disk(data / "model")
    DocBin(docs=[Doc(trained.vocab, words=["Ada", "left"])]).to_disk(data / "raw.spacy")
    code, output = run("evaluate", "model", "raw.spacy", "--output", "out")
    assert code == 1 and "none of 1 docs is annotated with entities" in output
    assert not (data / "out").exists()


def test_a_part_that_is_missing_is_not_optional(data, trained):
    trained.to_disk(data / "model")
    code, output = run("evaluate", "model", "gone.spacy", "--output", "out")
    assert code == 1 and "gone.spacy: no such file" in output and "leave" not in output
    DocBin(docs=[Doc(trained.vocab, words=["Ada"], ents=["B-PER"])]).to_disk(data / "dev.spacy")
    command = ["evaluate", "model", "dev.spacy", "--output", "out", "--train", "gone.spacy"]
    code, output = run(*command)
    assert code == 1 and "Check the path, or leave out --train" in output


def test_a_model_whose_replacement_was_killed_is_put_in_place(data, trained):
    trained.to_disk(data / "model")
    doc = trained(Doc(trained.vocab, words=["Ada", "likes", "Rome"]))
    DocBin(docs=[doc]).to_disk(data / "gold.spacy")
    for command in (["find-threshold", "model", "gold.spacy", "--precision", "0.01"],
                    ["evaluate", "model", "gold.spacy", "--output", "out"],
                    ["verify", "model"]):  # fmt: skip
        (data / "model").rename(data / ".model.old")
        run(*command)
        assert (data / "model" / "config.cfg").is_file(), command
