"""The commands of docs/loop.md, in order, with a small CNN and a quick annotator."""

import json
import re
import shlex
from pathlib import Path

import pytest
from support.commands import run
from support.reviews import read_rows
from support.trainings import make_config, write_corpus

PAGE = Path(__file__).parents[2] / "docs" / "loop.md"


def list_commands():
    blocks = re.findall(r"^```bash\n(.*?)```", PAGE.read_text("utf8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("python -m spacy bert-ner ") for line in lines)
    return [shlex.split(line)[4:] for line in lines]


@pytest.mark.slow
def test_the_loop_can_be_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path, n_train=60)
    assert run("convert", "train.spacy", "first.jsonl", "--to", "prodigy")[0] == 0
    (tmp_path / "configs").mkdir()
    make_config(tmp_path).to_disk("configs/small_data.cfg")
    places = ("London", "Rome", "Oslo", "Bern", "Graz")
    texts = [f"{who} sees {where} now" for who in ("Ada", "Eva", "Kim") for where in places]
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": x}) for x in texts))
    for command in list_commands():
        if "answers.jsonl" in " ".join(command):
            lines = Path("texts.suggested/prodigy.jsonl").read_text("utf8").splitlines()
            answers = [{**json.loads(line), "answer": "accept"} for line in lines]
            Path("answers.jsonl").write_text("\n".join(map(json.dumps, answers)))
        code, output = run(*command)
        assert code == 0, (command, output)
    n_first = len(read_rows(tmp_path / "corpus" / "train.spacy"))
    assert len(read_rows(tmp_path / "corpus-2" / "corrected.spacy")) == n_first + len(texts)
    assert "more sentences" in output and Path("corpus-2/corrected.curve/curve.json").exists()
