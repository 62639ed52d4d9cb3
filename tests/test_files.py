"""Folders that are replaced whole: killed at any time, or on a full disk, a model loads."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import spacy
from support.trainings import make_config, write_corpus

from spacy_bert_ner import files as saving
from spacy_bert_ner.files import replaced_folder


class FaultError(Exception):
    """Stands for a fault while a folder is written."""


def test_folder_is_replaced_at_once(tmp_path):
    path = tmp_path / "model"
    for text in ("old", "new"):
        with replaced_folder(path) as folder:
            (folder / "file").write_text(text)
            assert text == "old" or (path / "file").read_text() == "old"
    assert (path / "file").read_text() == "new"
    with pytest.raises(FaultError), replaced_folder(path) as folder:
        (folder / "file").write_text("broken")
        raise FaultError
    assert (path / "file").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_folder_is_replaced_where_there_is_no_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(saving.ctypes, "CDLL", lambda name: object())
    test_folder_is_replaced_at_once(tmp_path)


KILLED = """
import sys
from pathlib import Path
from spacy.util import load_config
from spacy_bert_ner.train.train import train
train(load_config(sys.argv[1], interpolate=False), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1])
def test_killed_at_any_time_the_best_model_loads(tmp_path, number, delay):
    write_corpus(tmp_path)
    config = make_config(
        tmp_path, **{"training.max_epochs": 500, "initialize.after_init.eval_every": "2 steps"}
    )
    config.to_disk(tmp_path / "config.cfg")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "config.cfg", out], stdout=subprocess.DEVNULL
    )
    while not (out / "checkpoint").exists():
        time.sleep(0.02)
    time.sleep(0.3 + delay)
    os.kill(process.pid, number)
    process.wait()
    assert spacy.load(out / "model-best")("Ada likes Rome") is not None
    assert spacy.load(out / "checkpoint" / "model")("Ada likes Rome") is not None


@pytest.mark.slow
def test_full_disk_leaves_the_best_model(tmp_path):
    """On a real file system of 8 MB, mounted in a name space of its own."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    write_corpus(tmp_path)
    config = make_config(tmp_path, **{"training.max_epochs": 4})
    config.to_disk(tmp_path / "config.cfg")
    (tmp_path / "run.py").write_text(FULL_DISK)
    (tmp_path / "disk").mkdir()
    command = (
        f"mount -t tmpfs -o size=8m none {tmp_path}/disk && {sys.executable} {tmp_path}/run.py"
    )
    command += f" {tmp_path}/config.cfg {tmp_path}/disk/out"
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    if "mount" in result.stderr and "Traceback" not in result.stderr:
        pytest.skip("may not mount")
    assert "No space left on device" in result.stdout and "is untouched" in result.stdout
    assert "loads" in result.stdout


FULL_DISK = """
import sys
from pathlib import Path
import spacy
from spacy.util import load_config
from spacy_bert_ner import loop
from spacy_bert_ner.train.train import train

out = Path(sys.argv[2])
update = loop.Training._update

def fill(self, *args):
    if self.progress.step == 12:
        with open(out / "ballast", "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError:
                pass
    update(self, *args)

loop.Training._update = fill
try:
    train(load_config(sys.argv[1], interpolate=False), out)
except OSError as error:
    print("error:", error)
    spacy.load(out / "model-best")("Ada likes Rome")
    print("loads")
"""
