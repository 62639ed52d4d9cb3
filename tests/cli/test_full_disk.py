"""Each command that writes, on a real file system of 20 MB that is full: one sentence, no loss."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import Doc, DocBin
from support import samples
from support.heads import build_head
from support.trainings import make_config, write_corpus

from spacy_bert_ner.interop.from_hf import hf_to_pipeline
from spacy_bert_ner.manifest import write_manifest

ROOT = Path(__file__).parents[2]
# What there is at the target before; everything in it must stay.
EARLIER = {
    "convert": "train.spacy", "doctor-data": "report.md", "evaluate": "metrics.json",
    "find-threshold": "config.cfg", "fetch": "config.json", "from-hf": "config.cfg",
    "to-hf": "config.json", "plot": "learning_curve.svg", "package": "en_tiny.whl",
    "find-label-errors": "candidates.jsonl", "apply-corrections": "fixed.spacy",
    "suggest": "prodigy.jsonl", "learning-curve": "curve.json", "teach": "notes",
    "annotate": "notes",
}  # fmt: skip
COMMANDS = {
    "convert": "data.conll disk/convert --split 50/50",
    "doctor-data": "data.conll --output disk/doctor-data",
    "evaluate": "model gold.spacy --output disk/evaluate",
    "find-threshold": "model gold.spacy --precision 0.01 --output disk/find-threshold",
    "fetch": "dir:checkpoint disk/fetch",
    "from-hf": "checkpoint disk/from-hf --scheme IOB2",
    "to-hf": "transformer disk/to-hf",
    "plot": "log.jsonl disk/plot",
    "package": "model disk/package --name tiny --scores s.json --lock s.json --data s.json",
    "verify": "disk/model --write",
    "find-label-errors": "gold.spacy --model model --output disk/find-label-errors",
    "apply-corrections": "gold.spacy answers.jsonl disk/apply-corrections/fixed.spacy",
    "suggest": "model texts.jsonl --output disk/suggest",
    "learning-curve": "train.spacy dev.spacy --config config.cfg --seeds 1 --shares 25,50,100 "
    "--output disk/learning-curve",
    "teach": "model --config config.cfg --train train.spacy --output disk/teach",
    "annotate": "model texts.jsonl --workers 1 --output disk/annotate",
}

RUN = """
import os, sys, tempfile
from pathlib import Path
from support.commands import run
from support.kills import read_tree
import spacy_bert_ner.package.meta
spacy_bert_ner.package.meta.read_model_meta = lambda **_: {}
# These go on where they were when there is room: what they had done stays.
RESUMED = ("learning-curve", "teach", "annotate")
disk, before = Path("disk"), read_tree(Path("disk"))

def fill(free):
    (disk / "ballast").unlink(missing_ok=True)
    with open(disk / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(file.tell() - free)

def check(name, code, output):
    (disk / "ballast").unlink()
    left = [str(path) for path in disk.rglob(".*")]
    after = read_tree(disk)
    is_same = after.items() >= before.items() if name in RESUMED else after == before and not left
    print(name, code, is_same, output, sep="|", flush=True)
    for path in [*disk.rglob("*")] if name in RESUMED else []:
        if path.is_file() and path.relative_to(disk).as_posix() not in before:
            path.unlink()

fill(8192)
for line in sys.stdin.read().splitlines():
    name, *args = line.split()
    fill(0 if name in ("verify", "apply-corrections") else 8192)
    check(name, *run(name, *args, *["--force"] * (name not in ("teach", "annotate"))))
os.environ["TMPDIR"] = str(disk.resolve())
for line in ["push model acme/ner", "from-hf checkpoint other --scheme IOB2"]:
    fill(8192)
    tempfile.tempdir = None
    check("temporary", *run(*line.split()))
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path, trained):
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    (tmp_path / "data.conll").write_text(samples.columns() * 20)
    trained.to_disk(tmp_path / "model")
    doc = trained(Doc(trained.vocab, words=["Ada", "likes", "Rome"]))
    assert doc.ents
    DocBin(docs=[doc]).to_disk(tmp_path / "gold.spacy")
    rows = [f'{{"epoch": 0, "step": {i}, "score": 0.5, "loss": {{"ner": 1.0}}}}' for i in (1, 2)]
    (tmp_path / "log.jsonl").write_text("\n".join(rows))
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "answers.jsonl").write_text("")
    records = [json.dumps({"text": f"Ada likes Rome {i}. " * 20}) for i in range(100)]
    (tmp_path / "texts.jsonl").write_text("\n".join(records))
    write_corpus(tmp_path)
    make_config(tmp_path).to_disk(tmp_path / "config.cfg")
    build_head("bert", tmp_path / "checkpoint")
    hf_to_pipeline(f"dir:{tmp_path / 'checkpoint'}", tmp_path / "transformer", scheme="IOB2")
    disk = tmp_path / "filled"
    for name, file in EARLIER.items():
        (disk / name).mkdir(parents=True)
        (disk / name / file).write_text("earlier")
    shutil.copytree(tmp_path / "model", disk / "model")
    write_manifest(disk / "model")
    (tmp_path / "disk").mkdir()
    script = "mount -t tmpfs -o size=20m none disk && cp -r filled/. disk"
    script += f' && {sys.executable} -c "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-ec", script, "sh", RUN],
        input="\n".join(f"{name} {args}" for name, args in COMMANDS.items()),
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    if "mount" in done.stderr and not done.stdout:
        pytest.skip("may not mount")
    lines = [line.split("|", 3) for line in done.stdout.strip().splitlines()]
    names = [name for name, *_ in lines]
    assert names == [*COMMANDS, "temporary", "temporary"], done.stdout + done.stderr
    for name, code, is_same, output in lines:
        assert (code, is_same) == ("1", "True"), (name, output)
        assert "No space left on device" in output and "Free some space" in output, (name, output)
        places = {"verify": "disk/model", "temporary": r"/disk\S*"}
        place = places.get(name, rf"disk/{name}\S*")
        assert re.search(rf"{place} could not be written", output), (name, output)
        assert "Traceback" not in output
