"""The page of benchmarks: its tables are those of the results, and its scripts exist."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def run_table(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield import_module("run_table")
    sys.modules.pop("run_table")


def test_every_script_that_the_runner_calls_exists():
    parts = re.search(r"^PARTS = \((.*?)^\)", (ROOT / "run.py").read_text("utf8"), re.M | re.S)[1]
    names = re.findall(r'"(\w+\.py)\b', parts)
    assert len(names) > 3 and all((ROOT / name).is_file() for name in names)


def test_a_table_says_who_is_better_and_replaces_the_one_before(run_table, tmp_path):
    figures = {"ours": run_table.summarise([30, 10, 20]), "stock": run_table.summarise([40.0])}
    figures["other"] = run_table.summarise([0.0])
    machine = {"versions": {"torch": "2"}, "environment": {}, "load before and after": [0.1, 2]}
    machine |= {"date": "d", "processor": "p", "cores": 2, "avx512_bf16": False}
    machine |= {"sentences to train and read": [3, 4]}
    rows = {"words/s": figures, "seconds to load": figures}
    table = run_table.make_table({"machine": machine, "rows": rows})
    lines = [re.sub(r"  +", " ", line) for line in table.splitlines() if "|" in line][2:]
    assert lines[0] == "| words/s | ours | 20 | 10 – 30 | 3 | 1.00 |"
    assert lines[1] == "| words/s | stock | 40 | | 1 | 0.50 |"
    assert lines[4] == "| seconds to load | stock | 40 | | 1 | 2.00 |"
    assert lines[2] == "| words/s | other | 0 | | 1 | |"
    assert "load 0.1 before and 2 after, threads: default" in table
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- benchmark quick: begin -->\nold\n<!-- benchmark quick: end -->\nb\n")
    run_table.put_table(page, "quick", table)
    assert "old" not in page.read_text("utf8") and table in page.read_text("utf8")
    with pytest.raises(ValueError, match="expected the lines"):
        run_table.put_table(page, "full", table)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_page_has_the_table_of_the_last_results(run_table, name):
    page = run_table.PAGE.read_text("utf8")
    assert page.count(f"<!-- benchmark {name}: begin -->") == 1
    results = [json.loads(x.read_text("utf8")) for x in (ROOT / "results").glob(f"{name}-*.json")]
    assert not results or any(run_table.make_table(found) in page for found in results)
