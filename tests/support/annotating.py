"""A tiny model, inputs for it, and the annotate command within this process, without workers."""

import json

import pytest

from spacy_bert_ner.annotate import annotate as module
from spacy_bert_ner.annotate.annotate import annotate
from spacy_bert_ner.annotate.part import PartRunner
from spacy_bert_ner.manifest import write_manifest

TEXTS = ("Alex Smith lives in New York now .", "London is big", "", "nothing at all here")


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    """The folder of a tiny trained model."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    trained.meta.update(name="tiny", version="1.2.3")
    trained.to_disk(folder)
    write_manifest(folder)
    return folder


@pytest.fixture
def here(monkeypatch):
    """Do the parts of `annotate` in this process; gives the numbers of the parts done."""
    done = []

    def run(job, parts, *, workers):
        runner = PartRunner(job)
        for part in parts:
            done.append(part.number)
            yield runner.run(part)

    monkeypatch.setattr(module, "run_locally", run)
    return done


def write_lines(path, records):
    lines = [item if isinstance(item, str) else json.dumps(item) for item in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    return path


def make_records(n):
    return [{"text": TEXTS[i % len(TEXTS)], "number": i} for i in range(n)]


def read_output(folder):
    """All records of the output, which must be jsonl, by id; an id that occurs twice fails."""
    found = {}
    for path in sorted((folder / "parts").iterdir()):
        for line in path.read_text("utf8").splitlines():
            record = json.loads(line)
            assert found.setdefault(record["id"], record) is record, record["id"]
    return found


def check_same_output(one, other):
    """The same records; scores to 1e-5, because they may come from other batches."""
    a, b = read_output(one), read_output(other)
    assert a.keys() == b.keys()
    for name, record in a.items():
        scores = [[e.pop("score") for e in x["entities"]] for x in (record, b[name])]
        assert record == b[name] and scores[0] == pytest.approx(scores[1], abs=1e-5)


def read_errors(folder):
    lines = (folder / "errors.jsonl").read_text("utf8").splitlines()
    return {line["id"]: line["reason"] for line in map(json.loads, lines)}


def run_job(model, inputs, output, **settings):
    """Annotate in parts of 3 records."""
    return annotate(model, inputs, output, **{"part_records": 3, **settings})
