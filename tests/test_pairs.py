"""Two commands that write to one place at the same time: the result of one of them, whole."""

import json
import random
import shutil
import time

import pytest
from spacy.tokens import Doc, DocBin
from support import samples
from support.kills import read_tree, start

pytestmark = pytest.mark.slow
N_PAIRS = 2


def run_pairs(commands, target, tmp_path, *, see=read_tree):
    """Run each command alone, then both at once: what `see` gives is the result of one."""
    cache, trees, seconds = tmp_path / "cache", [], []
    for args in commands:
        began = time.monotonic()
        process = start(args, {}, cache)
        process.join()
        assert process.exitcode == 0
        seconds.append(time.monotonic() - began)
        trees.append(see(target))
        shutil.rmtree(target)
    assert trees[0] != trees[1]
    rng = random.Random(0)
    for _ in range(N_PAIRS):
        processes = [start(commands[0], {}, cache)]
        time.sleep(rng.uniform(0, min(seconds)))
        processes.append(start(commands[1], {}, cache))
        for process in processes:
            process.join()
        codes = [process.exitcode for process in processes]
        assert 0 in codes and set(codes) <= {0, 1}
        tree = see(target)
        assert tree in trees
        if 1 in codes:
            assert tree == trees[codes.index(0)]
        assert not [path for path in target.parent.iterdir() if path.name.startswith(".")]
        shutil.rmtree(target)


def test_convert(tmp_path):
    for name in ("Anna", "Eva"):
        text = samples.columns().replace("Anna", name) * 100
        (tmp_path / f"{name}.conll").write_text(text)
    flags = [tmp_path / "place" / "out", "--split", "50/25/25", "--allow-leaks", "--force"]
    commands = [["convert", tmp_path / f"{name}.conll", *flags] for name in ("Anna", "Eva")]
    run_pairs(commands, tmp_path / "place" / "out", tmp_path)


def see_data(report):
    """Give the files of a report, which say when they were made, and what each text names."""
    tree = read_tree(report)
    texts = [tree[name].decode() for name in ("metrics.json", "report.md", "report.html")]
    return sorted(tree), [sorted({"Rome", "Oslo"} & set(text.split("/"))) for text in texts]


def test_evaluate(tmp_path, trained):
    trained.to_disk(tmp_path / "model")
    for name in ("Rome", "Oslo"):
        docs = [trained(Doc(trained.vocab, words=["Ada", "likes", name])) for _ in range(50)]
        (tmp_path / name).mkdir()
        DocBin(docs=docs).to_disk(tmp_path / name / "gold.spacy")
    flags = ["--output", tmp_path / "place" / "out", "--force"]
    commands = [
        ["evaluate", tmp_path / "model", tmp_path / name / "gold.spacy", *flags]
        for name in ("Rome", "Oslo")
    ]
    run_pairs(commands, tmp_path / "place" / "out", tmp_path, see=see_data)


def test_fetch(tmp_path, get_encoder):
    commands = [
        ["fetch", f"dir:{get_encoder(kind)}", tmp_path / "place" / "encoder", "--force"]
        for kind in ("bert", "distilbert")
    ]
    run_pairs(commands, tmp_path / "place" / "encoder", tmp_path)
    assert json.loads((get_encoder("bert") / "config.json").read_text())["model_type"] == "bert"
