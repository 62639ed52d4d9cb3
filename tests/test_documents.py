"""Documents that name files, tests and rooms: all of them exist, and pictures are up to date."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]


def test_the_picture_of_the_rooms_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = import_module("draw_rooms")
    sys.modules.pop("draw_rooms")
    drawn = module.draw(module.read_rooms(module.PAGE))
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf8")
    assert picture == drawn, "run `python scripts/draw_rooms.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)
    missing = [x for x in links if not re.match(r"\w+:", x) and not (page.parent / x).exists()]
    assert missing == []


def test_every_fault_names_tests_that_exist():
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if not row.startswith(("| # |", "| fault |"))]
    missing = []
    for row in rows:
        tests = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert tests or "| by hand: " in row, f"no test: {row}"
        for name, test in tests:
            path = ROOT / "tests" / name
            text = path.read_text(encoding="utf8") if path.exists() else ""
            if not re.search(rf"^ *def {test}\(", text, re.MULTILINE):
                missing.append(f"{name}::{test}")
    assert missing == []
