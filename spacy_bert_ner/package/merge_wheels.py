"""A source folder → a wheel whose bytes depend on nothing but the files in it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

# The first day that a zip archive can name; SOURCE_DATE_EPOCH sets another.
FIRST_DAY = 315_532_800


def build_wheel(source: Path, output: Path) -> Path:
    """Build the wheel of a folder with a setup.py or pyproject.toml, reproducibly.

    source (Path): The folder.
    output (Path): Where the wheel goes.
    RETURNS (Path): The wheel; the same bytes for the same files and build tools.
    RAISES (RuntimeError): If the build fails, with the last line that it said.
    """
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    # Setuptools would pack what an earlier build left there.
    shutil.rmtree(source / "build", ignore_errors=True)
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(
            [*command, "--wheel-dir", tmp, str(source)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(get_epoch())},
        )
        wheels = list(Path(tmp).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RuntimeError(f"Building the wheel of {source.resolve()} failed: {reason}")
        shutil.rmtree(source / "build", ignore_errors=True)
        wheel = output / wheels[0].name
        normalise_wheel(wheels[0], wheel)
    return wheel


def get_epoch() -> int:
    """RETURNS (int): The date of all files in seconds: SOURCE_DATE_EPOCH, or 1980."""
    return max(FIRST_DAY, int(os.environ.get("SOURCE_DATE_EPOCH") or FIRST_DAY))


def normalise_wheel(source: Path, output: Path) -> None:
    """Write a wheel again: files in order, one date, one mode.

    The content of the files stays, and so does RECORD, which has no dates.

    source (Path): The wheel.
    output (Path): Where the new one goes; another path.
    """
    date = time.gmtime(get_epoch())[:6]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(output, "w") as new:
        # RECORD comes last, as the specification recommends.
        for name in sorted(old.namelist(), key=_sort_key):
            entry = zipfile.ZipInfo(name, date_time=date)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            new.writestr(entry, old.read(name), zipfile.ZIP_DEFLATED, compresslevel=9)


def _sort_key(name: str) -> tuple[bool, bool, str]:
    return name.endswith(".dist-info/RECORD"), ".dist-info/" in name, name
