"""Each command that writes, on a real file system of 32 kB: one sentence, nothing half written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import Doc, DocBin
from support import samples

COMMANDS = {
    "convert": ["data.conll", "disk/out", "--split", "50/50"],
    "doctor-data": ["data.conll", "--output", "disk/out"],
    "evaluate": ["model", "gold.spacy", "--output", "disk/out"],
    "find-threshold": ["model", "gold.spacy", "--precision", "0.01", "--output", "disk/out"],
    "fetch": ["dir:checkpoint", "disk/out"],
}
RUN = """
import sys
from pathlib import Path
from support.commands import run
for command in sys.stdin.read().splitlines():
    print(command.split()[0], *run(*command.split()), sep="|")
"""


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(tmp_path, trained, get_encoder):
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    (tmp_path / "data.conll").write_text(samples.columns() * 20)
    trained.to_disk(tmp_path / "model")
    doc = trained(Doc(trained.vocab, words=["Ada", "likes", "Rome"]))
    assert doc.ents
    DocBin(docs=[doc]).to_disk(tmp_path / "gold.spacy")
    shutil.copytree(get_encoder("bert"), tmp_path / "checkpoint")
    (tmp_path / "disk").mkdir()
    script = "mount -t tmpfs -o size=32k none disk && head -c 24000 /dev/zero > disk/ballast"
    script += f' && {sys.executable} -c "$1" && ls -A disk'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-ec", script, "sh", RUN],
        input="\n".join(" ".join([name, *args]) for name, args in COMMANDS.items()),
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(samples.__file__).parents[1])},
    )  # fmt: skip
    if "mount" in done.stderr and not done.stdout:
        pytest.skip("may not mount")
    *lines, left = done.stdout.strip().splitlines()
    assert left == "ballast", done.stdout + done.stderr
    assert [line.split("|")[0] for line in lines] == list(COMMANDS)
    for line in lines:
        assert line.split("|")[1] == "1" and "No space left on device" in line, line
        assert "Traceback" not in line
