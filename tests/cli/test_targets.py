"""No command writes over what the user did not name, whatever it is called with."""

import json

import pytest
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
