"""The command `package`: what it prints."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_bert_ner.cli.main import bert_ner_cli


@pytest.mark.parametrize("with_plugin", [True, False])
def test_the_install_line_names_the_files(tmp_path, monkeypatch, with_plugin):
    def build_model(model, output, *, name, version, **_):
        return write_wheel(output / "dist" / f"en_{name}-{version}-py3-none-any.whl")

    def build_plugin(project, output):
        return write_wheel(output / "spacy_bert_ner-0.1.0-py3-none-any.whl")

    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_model_wheel", build_model)
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_plugin_wheel", build_plugin)
    prf = dict.fromkeys("prf", 0.5)
    records = {
        "scores": {
            "words": {"micro": prf, "labels": {"geo": prf}, "certainty": None},
            "text": {"spacy": prf},
            "tokens": {"accuracy": 0.5},
            "data": {"n_sentences": 1},
        },
        "lock": {"name": "tiny", "license": "MIT", "source": "dir:tiny"},
        "data": {"name": "Corpus"},
    }
    (tmp_path / "model").mkdir()
    command = ["package", str(tmp_path / "model"), str(tmp_path / "my wheels"), "--name", "x"]
    for name, record in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
        command += [f"--{name}", str(tmp_path / f"{name}.json")]
    command += ["--plugin", "."] if with_plugin else []
    done = CliRunner().invoke(bert_ner_cli, command)
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Install: "))
    pip, install, *rest = shlex.split(line.removeprefix("Install: "))
    assert (pip, install) == ("pip", "install")
    assert ("--no-index" in rest) is not with_plugin
    files = [Path(word) for word in rest if word != "--no-index"]
    assert len(files) == 1 + with_plugin and all(path.is_file() for path in files)


def write_wheel(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"wheel")
    return path
