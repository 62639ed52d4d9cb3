import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import samples
from support.commands import run
from support.samples import json_lines, write

from spacy_bert_ner.convert.datasets import find_inputs, find_parts
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.read.data_file import open_data

CASES = Path(__file__).parents[1] / "fixtures" / "cases"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.conll"
    path.write_text(samples.columns())
    return path


def test_convert_writes_parts_and_report_and_says_so(tmp_path, path):
    code, output = run("convert", path, tmp_path / "out", "--split", "50/50", "--stratify")
    assert code == 0
    names = sorted(item.name for item in (tmp_path / "out").iterdir())
    assert names == ["dev.spacy", "report.json", "report.md", "report.png", "train.spacy"]
    assert "data.conll: conll, utf-8, IOB2: 4 sentences, 27 tokens, 7 entities" in output
    assert "train: 2 docs, 2 sentences" in output
    assert "labels that are not in every part" in output


def test_convert_to_one_file(tmp_path, path):
    code, _ = run("convert", path, tmp_path / "dev.spacy", "--limit", 2)
    assert code == 0
    names = {"data.conll", "dev.spacy", "dev.report.json", "dev.report.md", "dev.report.png"}
    assert {item.name for item in tmp_path.iterdir()} == names
    report = json.loads((tmp_path / "dev.report.json").read_text())
    assert report["parts"]["dev"]["docs"] == 2


def test_flags_reach_the_settings(tmp_path, path):
    flags = {
        "--format": "conll", "--encoding": "utf-8", "--word-column": 1, "--tag-column": 3,
        "--lang": "nl", "--docs": "document", "--spacing": "words", "--label-map": "LOC=GPE",
        "--split": "70/30", "--split-by": "document", "--seed": 4, "--limit": 9,
        "--limit-dev": 8, "--limit-test": 7,
    }  # fmt: skip
    arguments = [part for pair in flags.items() for part in pair]
    code, output = run("convert", path, tmp_path / "out", *arguments, "--stratify", "--allow-leaks")
    assert code == 0, output
    settings = json.loads((tmp_path / "out" / "report.json").read_text())["settings"]
    expected = {flag[2:].replace("-", "_"): value for flag, value in flags.items()}
    expected |= {"label_map": {"LOC": "GPE"}, "stratify": True, "allow_leaks": True}
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.csv", "out.spacy"], "none.csv: no such file"),
        (["out"], "No input, expected at least one file"),
        (["a", "out", "--split", "x"], "Split 'x', expected shares"),
        (["a", "out", "--dataset", "kaggle"], "give one of them"),
        (["a", "out", "--data", "x"], "--data goes with --dataset"),
        (["out", "--dataset", "x"], "Dataset 'x', expected one of: kaggle, conll2002"),
        (["out", "--dataset", "custom"], "assets/custom: not found. Put your file there"),
        (["out", "--dataset", "conll2002", "--data", "."], "expected es (Spanish) or nl (Dutch)"),
    ],
)
def test_errors_are_one_message_without_traceback(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = run("convert", *args)
    assert code == 1
    assert message in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_doctor_data_prints_the_page_and_writes_nothing(tmp_path, path):
    code, output = run("doctor-data", path)
    assert code == 0
    assert "# Data report" in output
    assert "| `all` | 4 | 4 | 27 | 7 |" in output
    assert [item.name for item in tmp_path.iterdir()] == ["data.conll"]


def test_doctor_data_of_parts_counts_leaks(tmp_path, path):
    code, output = run("doctor-data", f"train={path}", f"dev={path}", "--output", tmp_path / "out")
    assert code == 0
    assert "4 × sentences that a later part has too, kept: data.conll:3" in output
    names = sorted(item.name for item in (tmp_path / "out").iterdir())
    assert names == ["report.json", "report.md", "report.png"]


def test_an_encoder_is_checked(tmp_path, path):
    code, output = run("convert", path, tmp_path / "a.spacy", "--encoder", tmp_path / "none")
    assert code == 1
    assert "none" in output


def test_spacy_finds_the_commands(tmp_path, path):
    base = [sys.executable, "-m", "spacy", "bert-ner"]
    done = subprocess.run([*base, "--help"], capture_output=True, text=True, check=True)
    assert "convert" in done.stdout
    assert "doctor-data" in done.stdout


def test_a_folder_of_ones_own_with_a_single_file_is_split(tmp_path):
    (tmp_path / "source.json").write_text("{}")
    (tmp_path / "mine.csv").write_text("")
    inputs, found = find_inputs("custom", str(tmp_path), Conversion())
    assert inputs == [str(tmp_path / "mine.csv")]
    assert found.split == "80/10/10"


def test_datasets_find_their_files(tmp_path):
    settings = Conversion(split="80/10/10", lang="es")
    archive = tmp_path / "conll2002.zip"
    archive.touch()
    inputs, found = find_inputs("conll2002", str(archive), settings)
    assert inputs == [f"train={archive}:esp.train", f"dev={archive}:esp.testa",
                      f"test={archive}:esp.testb"]  # fmt: skip
    assert (found.split, found.allow_leaks) == (None, True)
    inputs, _ = find_inputs("conll2002", str(archive), Conversion(lang="nl"))
    assert inputs[0].endswith(":ned.train")
    inputs, found = find_inputs("custom", str(archive), Conversion())
    assert (inputs, found.split) == ([str(archive)], "80/10/10")
    inputs, found = find_inputs("custom", f"{archive}:a.csv", settings)
    assert (inputs, found.split) == ([f"{archive}:a.csv"], "80/10/10")


@pytest.mark.parametrize(
    "names",
    [("eng.train.gz", "eng.testa.gz", "eng.testb"), ("train.txt", "valid.txt", "test.txt"),
     ("en-train.conll", "en-dev.conll", "en-test.conll")],
)  # fmt: skip
def test_a_folder_of_parts(tmp_path, names):
    for name in (*names, "README.md"):
        (tmp_path / name).touch()
    expected = {
        f"{part}={tmp_path / name}"
        for part, name in zip(("train", "dev", "test"), names, strict=True)
    }
    assert set(find_parts(tmp_path)) == expected
    inputs, found = find_inputs("conll2003", str(tmp_path), Conversion(split="80/20"))
    assert set(inputs) == expected
    assert [item.partition("=")[0] for item in inputs] == ["train", "dev", "test"]
    assert (found.split, found.allow_leaks) == (None, True)
    assert not find_inputs("custom", str(tmp_path), Conversion()).settings.allow_leaks
    for name, count in (("training-and-test.txt", "two parts"), ("extra.txt", "no part")):
        (tmp_path / name).touch()
        with pytest.raises(ValueError, match=f"{name}: {count} in the name"):
            find_parts(tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / names[0]).unlink()
    with pytest.raises(FileNotFoundError, match="expected names with train and dev"):
        find_parts(tmp_path)


def test_conll2003_says_where_it_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"licensed \(Reuters, by NIST\): put eng.train"):
        find_inputs("conll2003", str(tmp_path / "none"), Conversion())


def test_the_encoder_tells_what_it_cannot_see(tmp_path, get_encoder):
    data = tmp_path / "a.conll"
    data.write_text("Oslo B-LOC\n\x94 O\n\n" + "word O\n" * 600 + "Lee B-PER\n\n")
    code, _ = run("convert", data, tmp_path / "a.spacy", "--encoder", get_encoder("bert"))
    assert code == 0
    found = json.loads((tmp_path / "a.report.json").read_text())["encoder"]
    assert found["words_without_piece"] == 1
    assert found["sentences_longer_than_window"] == 1


@pytest.mark.parametrize(
    ("word", "n_pieces", "is_foreign"), [("lives", 1, False), ("qzqz", 4, True)]
)
def test_an_encoder_of_another_language_is_a_finding(
    tmp_path, get_encoder, word, n_pieces, is_foreign
):
    data = tmp_path / "a.conll"
    data.write_text("Oslo B-LOC\n\n" + f"{word} O\n\n" * 1000)
    code, output = run("convert", data, tmp_path / "a.spacy", "--encoder", get_encoder("bert"))
    assert code == 0
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert report["encoder"]["pieces_per_plain_word"] == n_pieces
    kinds = {note["kind"] for note in report["findings"]}
    assert ("foreign-encoder" in kinds) == is_foreign
    assert ("Take an encoder of 'en'" in output) == is_foreign


def test_published_parts_are_not_split_again(tmp_path):
    for name in ("eng.train", "eng.testa"):
        (tmp_path / name).write_text(samples.columns())
    code, output = run(
        "convert", tmp_path / "out", "--dataset", "conll2003", "--data", tmp_path, "--split", "1/1"
    )
    assert code == 0
    assert "conll2003 has its own parts: --split 1/1 is not used" in output
    assert "train: 4 docs" in output
    assert "4 × sentences that a later part has too, kept" in output


def test_flags_of_annotators_numbers_and_output_formats(tmp_path):
    code, output = run("convert", CASES / "S14-two-annotators.jsonl", tmp_path / "a.json",
                       "--annotator", "a-y")  # fmt: skip
    assert code == 0
    assert open_data(tmp_path / "a.json").format == "label-studio"
    assert "LOC 1" in output
    path = write(tmp_path, json_lines([{"tokens": ["Mira"], "ner_tags": [1]}]))
    code, output = run("convert", path, tmp_path / "b.jsonl")
    assert (code, "Give them in their order with --tag-names" in output) == (1, True)
    flags = ("--tag-names", "O,B-PER", "--to", "hf-tokens")
    assert run("convert", path, tmp_path / "b.jsonl", *flags)[0] == 0
    assert '"ner_tags": ["B-PER"]' in (tmp_path / "b.jsonl").read_text()


def test_one_of_each_is_singular(tmp_path):
    write(tmp_path, "Alex B-PER\n\n", name="one.conll")
    code, output = run("convert", tmp_path / "one.conll", tmp_path / "one.spacy")
    assert code == 0
    assert "IOB2: 1 sentence, 1 token, 1 entity" in output
    assert "one: 1 doc, 1 sentence, 1 token, 1 entity (PER 1)" in output
    write(tmp_path, "Alex B-PER\nand O\nBo B-PER\n\nx O\n\n", name="two.conll")
    code, output = run("convert", tmp_path / "two.conll", tmp_path / "two.spacy")
    assert code == 0
    assert "two: 2 docs, 2 sentences, 4 tokens, 2 entities (PER 2)" in output
