"""Commands that are killed at random moments leave whole results, and nothing else."""

import base64
import json
import os
import random
import shutil

import pytest
from support import samples
from support.hub_server import run_hub
from support.indexes import BUILD_HERE
from support.kills import read_tree, run_to_its_end, start
from support.pipelines import make_nlp, train

from spacy_bert_ner.files import recover_folder
from spacy_bert_ner.manifest import write_manifest

pytestmark = pytest.mark.slow
N_KILLS = int(os.environ.get("KILLS", "4"))
SCORES = {
    "words": {"micro": dict.fromkeys("prf", 0.5), "labels": {}, "certainty": None},
    "text": {"spacy": dict.fromkeys("prf", 0.5)},
    "tokens": {"accuracy": 0.5},
    "data": {"n_sentences": 1},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    nlp = make_nlp()
    train(nlp, n_steps=2)
    folder = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(folder)
    write_manifest(folder)
    return folder


def kill(args, environment, cache, *, check, target=None):
    """Kill a command at random moments; after each kill, check, and run it to its end.

    A kill between two renames is repaired first, as the next command that reads does it.
    """
    temporary = cache / "temporary"
    temporary.mkdir(parents=True)
    environment = {**environment, "TMPDIR": str(temporary)}
    # The first run fills the caches.
    seconds = min(run_to_its_end(args, environment, cache) for _ in range(3))
    rng, n_killed = random.Random(1), 0
    while n_killed < N_KILLS:
        process = start(args, environment, cache)
        process.join(rng.uniform(0, seconds))
        is_killed = process.is_alive()
        process.kill()
        process.join()
        n_killed += is_killed
        if target is not None:
            recover_folder(target)
        check(is_killed)
        run_to_its_end(args, environment, cache)
        if any(temporary.iterdir()):  # a child of the killed process has made it again
            run_to_its_end(args, environment, cache)
        assert list(temporary.iterdir()) == []
        check(False)


def list_differences(tree, other):
    return sorted(name for name in tree | other if tree.get(name) != other.get(name))


def test_convert(tmp_path):
    (tmp_path / "old.conll").write_text(samples.columns() * 20)
    (tmp_path / "new.conll").write_text(samples.columns().replace("Anna", "Eva") * 200)
    out = tmp_path / "out"
    flags = [out, "--split", "50/25/25", "--allow-leaks", "--force"]
    args = {name: ["convert", tmp_path / f"{name}.conll", *flags] for name in ("old", "new")}
    trees = {}
    for name in ("new", "old"):
        run_to_its_end(args[name], {}, tmp_path)
        trees[name] = read_tree(out)
        assert {"train.spacy", "dev.spacy", "test.spacy", "report.json"} <= trees[name].keys()
    shutil.copytree(out, tmp_path / "kept")
    found = []

    def check(is_killed):
        tree = read_tree(out)
        tree = {path: data for path, data in tree.items() if not path.startswith(".")}
        found.append("new" if tree == trees["new"] else "old")
        assert list_differences(tree, trees[found[-1]]) == [], list_differences(tree, trees["new"])
        if not is_killed:
            assert found[-1] == "new" and not list(out.glob(".*"))
            shutil.rmtree(out)
            shutil.copytree(tmp_path / "kept", out)

    kill(args["new"], {}, tmp_path / "cache", check=check, target=out)
    assert "old" in found


def test_package(tmp_path, model):
    records = {"scores": SCORES, "lock": {"name": "tiny", "license": "MIT", "source": "dir:tiny"}}
    records["data"] = {"name": "Corpus"}
    flags = ["--name", "tiny", "--force"]
    for name, record in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
        flags += [f"--{name}", tmp_path / f"{name}.json"]
    place = tmp_path / "place"
    place.mkdir()
    args = ["package", model, place / "packages", *flags]
    before = read_tree(model)
    run_to_its_end([*args, "--version", "0.1"], BUILD_HERE, tmp_path)
    (place / "packages" / "notes.txt").write_text("mine")
    old = shutil.copytree(place / "packages", tmp_path / "old")
    run_to_its_end([*args, "--version", "0.2"], BUILD_HERE, tmp_path)
    trees = [read_tree(old), read_tree(place / "packages")]
    assert any(path.endswith("0.2-py3-none-any.whl") for path in trees[1])

    def check(is_killed):
        tree = read_tree(place / "packages")
        assert tree in trees
        if not is_killed:
            assert tree == trees[1]
            assert [path.name for path in place.iterdir()] == ["packages"]
            shutil.rmtree(place / "packages")
            shutil.copytree(old, place / "packages")

    cache = tmp_path / "cache"
    kill([*args, "--version", "0.2"], BUILD_HERE, cache, check=check, target=place / "packages")
    assert read_tree(model) == before


def read_commit(body):
    lines = [json.loads(line)["value"] for line in body.splitlines() if b'"file"' in line]
    return {line["path"]: base64.b64decode(line["content"]) for line in lines}


def test_push(tmp_path, model):
    before = read_tree(model)
    with run_hub() as hub:
        args = ["push", model, "acme/en_ner", "--upload"]
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_notARealToken"}

        def check(is_killed):
            bodies = [
                body
                for _, path, headers, body in hub.requests
                if "/commit/" in path
                and len(body)
                == int({name.lower(): value for name, value in headers.items()}["content-length"])
            ]
            commits = [read_commit(body) for body in bodies]
            assert commits or is_killed
            assert all(commit.keys() >= {"README.md", "ner/model"} for commit in commits)
            assert all(commit == (sent or commit) for commit in commits)
            sent.update(commits[0] if commits else {})
            hub.requests.clear()
            assert read_tree(model) == before

        sent = {}
        kill(args, environment, tmp_path / "cache", check=check)
