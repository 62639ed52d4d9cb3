"""project.yml: every step says what it needs, what it makes and why."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import srsly
from support.commands import run
from support.trainings import write_corpus
from weasel.cli.document import project_document
from weasel.util import load_project_config

from spacy_bert_ner.convert.datasets import DATASETS, PINS
from spacy_bert_ner.package import meta

ROOT = Path(__file__).parent.parent
PROJECT = load_project_config(ROOT)
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_step_names_its_help_its_outputs_and_all_it_depends_on(name):
    command = COMMANDS[name]
    assert command["help"]
    assert command["outputs"], "a command without outputs runs every time"
    words = " ".join(command["script"]).split()
    used = {word for word in words if word.startswith(("scripts/", "configs/"))}
    assert used <= set(command["deps"])
    made = [word for word in words if word.startswith(("corpus/", "training/", "metrics/"))]
    parts = [*command["deps"], *command["outputs"]]
    for path in made:
        assert any(
            Path(path) in (Path(p), *Path(p).parents) or Path(p) in Path(path).parents
            for p in parts
        )


@pytest.mark.slow
def test_the_debug_step_finds_no_fault(get_encoder, tmp_path):
    write_corpus(tmp_path, n_train=120)
    command = [sys.executable, ROOT / "scripts/debug_data.py", ROOT / "configs/config.cfg"]
    command += [tmp_path / "debug.txt", "--encoder", get_encoder(), "--corpus", tmp_path]
    subprocess.run(command, check=True)
    said = (tmp_path / "debug.txt").read_text()
    assert "Config is valid" in said
    assert "Named Entity Recognition" in said


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_files_of_a_step_are_in_the_repository(name):
    files = [dep for dep in COMMANDS[name]["deps"] if dep.startswith(("scripts/", "configs/"))]
    assert all((ROOT / path).is_file() for path in files)


def test_each_step_depends_on_what_an_earlier_one_makes():
    for steps in PROJECT["workflows"].values():
        made: list[str] = []
        for step in steps:
            for dep in COMMANDS[step]["deps"]:
                if dep.startswith(
                    ("corpus/", "training/", "metrics/", "packages/", "assets/encoder")
                ):
                    assert dep in made, f"{step} needs {dep}, which no step before it makes"
            made += COMMANDS[step]["outputs"]


def test_the_main_workflow_is_the_whole_road():
    assert PROJECT["workflows"]["all"] == [
        "verify", "encoder", "convert", "debug", "train", "evaluate", "package", "smoke",
    ]  # fmt: skip


def test_the_readme_holds_the_generated_description(tmp_path):
    generated = tmp_path / "README.md"
    project_document(ROOT, generated)
    markers = re.compile(
        r"<!-- WEASEL: AUTO-GENERATED DOCS START.*AUTO-GENERATED DOCS END[^\n]*", re.S
    )
    in_readme = markers.search((ROOT / "README.md").read_text(encoding="utf8"))
    assert in_readme, "python -m spacy project document --output README.md"
    assert in_readme[0].strip() == markers.search(generated.read_text(encoding="utf8"))[0].strip()


def run_script(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )


def test_the_bundled_corpus_is_the_published_one(tmp_path):
    output = tmp_path / "verify.json"
    done = run_script("scripts/verify.py", "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    (sha256,) = srsly.read_json(output).values()
    assert sha256 == PINS["kaggle", "ner_dataset.csv"].sha256


def test_row_01_and_02_a_missing_or_broken_corpus_stops_the_road(tmp_path):
    path = tmp_path / "assets" / "kaggle" / "ner_dataset.csv.zip"
    path.parent.mkdir(parents=True)
    script = ROOT / "scripts/verify.py"
    missing = run_script(script, cwd=tmp_path)
    assert missing.returncode == 1
    assert "not found" in missing.stdout + missing.stderr
    assert "git checkout" in missing.stdout + missing.stderr
    path.write_bytes((ROOT / "assets/kaggle/ner_dataset.csv.zip").read_bytes()[:-1000])
    assert run_script(script, cwd=tmp_path).returncode == 1
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("ner_dataset.csv", "Sentence #,Word,POS,Tag\n")
    other = run_script(script, cwd=tmp_path)
    assert other.returncode == 1
    assert "expected 15,208,151" in " ".join((other.stdout + other.stderr).split())


def test_every_dataset_has_a_folder_that_says_what_it_is():
    for dataset in DATASETS:
        source = srsly.read_json(ROOT / "assets" / dataset / "source.json")
        assert set(source) >= {"name", "license"}


def test_a_gpu_that_is_not_there_stops_the_training_with_advice():
    done = run_script("scripts/check_gpu.py", "--gpu-id", "99")
    assert done.returncode == 1
    assert "GPU 99 was asked for" in done.stdout + done.stderr
    assert run_script("scripts/check_gpu.py", "--gpu-id", "-1").returncode == 0


TRAIN_STEPS = [name for name in sorted(COMMANDS) if name.startswith("train")]


@pytest.mark.parametrize("name", TRAIN_STEPS)
def test_training_steps_resume_and_keep_the_earlier_result(name):
    assert TRAIN_STEPS == ["train", "train-demo", "train-stock"]
    (script,) = [line for line in COMMANDS[name]["script"] if "check_gpu" not in line]
    assert script.startswith("python -m spacy bert-ner train --auto-resume configs/")


def test_training_steps_work_as_plain_spacy_train():
    config = load_project_config(ROOT, overrides={"vars.trainer": "train"})
    commands = {command["name"]: command for command in config["commands"]}
    for name in TRAIN_STEPS:
        flags = commands[name]["script"][-1].split()
        assert flags[:4] == ["python", "-m", "spacy", "train"]
        assert not {"--auto-resume", "--resume"} & set(flags)


def test_make_lets_waiting_threads_sleep():
    shown = subprocess.run(
        ["make", "-pn", "clean"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert "export OMP_WAIT_POLICY" in shown or "OMP_WAIT_POLICY = PASSIVE" in shown


def run_step(name, monkeypatch, folder, **variables):
    """Run the command of a step in a folder, with variables as `--vars.` sets them."""
    overrides = {f"vars.{key}": value for key, value in variables.items()}
    config = load_project_config(ROOT, overrides=overrides)
    (script,) = next(item["script"] for item in config["commands"] if item["name"] == name)
    words = shlex.split(script)
    assert words[:4] == ["python", "-m", "spacy", "bert-ner"]
    monkeypatch.chdir(folder)
    return run(*words[4:])


def test_bad_variables_are_one_sentence(monkeypatch, tmp_path, get_encoder, trained):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/encoder").symlink_to(get_encoder())
    (tmp_path / "training/full").mkdir(parents=True)
    trained.to_disk(tmp_path / "training/full/model-best")
    monkeypatch.setattr(meta, "read_model_meta", lambda **_: {})
    for step, variables, message in (
        ("convert", {"split": "abc"}, "Split 'abc', expected shares of train/dev/test"),
        ("convert", {"dataset": "nope"}, "Dataset 'nope', expected one of: kaggle"),
        ("package", {"precision": "quarter"}, "Precision 'quarter', expected one of full, half"),
    ):
        code, output = run_step(step, monkeypatch, tmp_path, **variables)
        assert (code, message in output) == (1, True), output
        assert output.startswith(f"✘ {message[:9]}") and "Traceback" not in output
    assert not (tmp_path / "packages/full").exists() and not (tmp_path / "corpus").exists()


def test_a_folder_that_cannot_be_written_is_noticed_before_the_work(tmp_path):
    (tmp_path / "metrics").write_text("a file")
    for script in (
        ["scripts/verify.py", "--output", tmp_path / "metrics/verify.json"],
        ["scripts/debug_data.py", "configs/config.cfg", tmp_path / "metrics/debug.txt"],
    ):
        done = run_script(*script)
        assert done.returncode == 1 and done.stdout == ""
        assert "cannot be written" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["smoke", "smoke-demo", "release"])
def test_wheels_are_tried_by_the_command(name):
    script = COMMANDS[name]["script"][-1]
    assert script.startswith("python -m spacy bert-ner try-wheels training/")
    assert COMMANDS[name]["outputs"][-1] in script.split() and "--force" in script.split()
