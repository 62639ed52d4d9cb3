"""Wheels are tried by one command: what it installs, compares, writes and refuses."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from support.commands import run
from support.listening import make_nlp
from support.pipelines import make_examples

from spacy_bert_ner.manifest import write_manifest
from spacy_bert_ner.package import release
from spacy_bert_ner.package.trial import Trial
from spacy_bert_ner.package.wheels import build_model_wheel, build_plugin_wheel, check_same

PLUGIN = "spacy_bert_ner-1.0-py3-none-any.whl"
GOOD = Trial("here", [], "", was_tried=True, versions={"spacy": "3.8"}, n_files=1)
WRONG = Trial("here", [], "text 0: found [], expected [(0, 4)]", was_tried=True)
NOT_TRIED = Trial("oldest", [], "not installed: no such version")


@pytest.fixture
def packed(trained, tmp_path, monkeypatch):
    """A folder with a model and, as `package` lays them out, its wheels; nothing is installed."""
    trained.to_disk(tmp_path / "model")
    folder = tmp_path / "packages" / "en_x-1.0"
    (folder / "en_x").mkdir(parents=True)
    trained.to_disk(folder / "en_x" / "en_x-1.0")
    write_manifest(folder / "en_x" / "en_x-1.0")
    (folder / "dist").mkdir()
    for path in (tmp_path / "packages" / PLUGIN, folder / "dist" / "en_x-1.0-py3-none-any.whl"):
        path.write_bytes(b"wheel")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def try_wheels(monkeypatch, *flags, trials=(GOOD,)):
    answers, calls = iter(trials), []

    def answer(folder, wheels, **options):
        calls.append({"wheels": [path.name for path in wheels], **options})
        return next(answers)

    monkeypatch.setattr(release, "try_wheels", answer)
    code, output = run("try-wheels", "model", "packages", "out/x.json", "--name", "en_x", *flags)
    return code, output, calls


def test_the_report_holds_hashes_comparison_and_environments(packed, monkeypatch, trained):
    DocBin(docs=[eg.reference for eg in make_examples(trained)]).to_disk("test.spacy")
    code, output, calls = try_wheels(monkeypatch, "--corpus", "test.spacy")
    assert code == 0, output
    assert "here: same entities and scores, 1 file as written" in output
    assert calls[0]["wheels"] == [PLUGIN, "en_x-1.0-py3-none-any.whl"]
    assert not calls[0]["borrow"] and len(calls[0]["pins"]) == 7
    assert not any("+" in pin for pin in calls[0]["pins"])
    result = json.loads(Path("out/x.json").read_text())
    assert result["docs"] == result["docs_with_same_entities"] == len(make_examples(trained))
    assert set(result["wheels"]) == set(calls[0]["wheels"])
    assert result["wheels"][PLUGIN]["bytes"] == 5
    assert [item["name"] for item in result["environments"]] == ["here"]
    assert len(result["texts"]) == 3
    code, output, _ = try_wheels(monkeypatch)
    assert code == 1 and "x.json exists" in output and "--force" in output
    assert try_wheels(monkeypatch, "--force")[0] == 0


def test_environments_are_those_of_the_flag(packed, monkeypatch):
    _, _, calls = try_wheels(monkeypatch, "--environments", "borrowed")
    assert [call["borrow"] for call in calls] == [True] and calls[0]["pins"] == []
    flags = ["--force", "--environments", "supported", "--torch", "2.13.0"]
    _, _, calls = try_wheels(monkeypatch, *flags, trials=(GOOD, GOOD))
    assert [call["environment"] for call in calls] == ["oldest", "newest"]
    assert all(call["pins"][-1] == "torch==2.13.0" for call in calls)
    code, output, _ = try_wheels(monkeypatch, "--force", "--environments", "nowhere")
    assert code == 1 and "expected one of here, borrowed, supported" in output


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([WRONG], "here: text 0: found [], expected [(0, 4)]"),
        ([NOT_TRIED], "nothing was tried. oldest: not installed: no such version"),
        ([GOOD, NOT_TRIED], ""),
        ([NOT_TRIED, WRONG], "here: text 0"),
    ],
)
def test_what_differs_is_a_failure(packed, monkeypatch, trials, reason):
    flags = ["--environments", "supported"] if len(trials) > 1 else []
    code, output, _ = try_wheels(monkeypatch, *flags, trials=trials)
    assert code == bool(reason) and reason in output
    assert Path("out/x.json").is_file()


def test_packaging_may_change_entities_only_in_half_precision():
    found = release.find_failures("full", 5, 4, [GOOD])
    assert found == ["Packaging changed the entities in 1 of 5 docs."]
    assert release.find_failures("half", 5, 4, [GOOD]) == []
    assert release.find_failures("full", 5, 5, [GOOD]) == []


def test_pipelines_are_compared_on_the_words_of_a_corpus(trained, tmp_path):
    gold = [eg.reference for eg in make_examples(trained)]
    DocBin(docs=gold).to_disk(tmp_path / "test.spacy")
    blank = spacy.blank(trained.lang)
    n_docs, n_same = release.compare_pipelines(trained, blank, tmp_path / "test.spacy")
    n_empty = sum(not doc.ents for doc in trained.pipe([doc.text for doc in gold]))
    assert (n_docs, n_same) == (len(gold), n_empty) and n_empty < n_docs
    trained.to_disk(tmp_path / "model")
    grouped = spacy.load(tmp_path / "model", config={"components.ner.spans_key": "sc"})
    assert release.compare_pipelines(grouped, blank, tmp_path / "test.spacy")[1] == n_empty


def test_missing_wheels_are_named_with_what_builds_them(packed, monkeypatch):
    Path("packages", PLUGIN).unlink()
    code, output, _ = try_wheels(monkeypatch)
    assert code == 1 and not Path("out").exists()
    assert "expected the wheels of spacy-bert-ner and en_x, found en_x-1.0-py3" in output
    assert "python -m spacy bert-ner package" in output


def test_two_builds_that_differ_are_refused(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(b"1")
    check_same(paths, paths[::-1])
    paths[1].write_bytes(b"2")
    with pytest.raises(ValueError, match="a: two builds of the same files differ"):
        check_same(paths, paths[::-1])


@pytest.mark.slow
def test_wheels_are_tried_as_a_user_tries_them(get_encoder, tmp_path):
    make_nlp(get_encoder(), n_steps=8).to_disk(tmp_path / "model")
    build_plugin_wheel(Path(__file__).parents[2], tmp_path / "packages")
    build_model_wheel(
        tmp_path / "model", tmp_path / "packages", name="tiny", version="1.0", meta={}
    )
    paths = [tmp_path / name for name in ("model", "packages", "smoke.json")]
    code, output = run("try-wheels", *paths, "--name", "en_tiny", "--environments", "borrowed")
    assert code == 0, output
    assert "borrowed: same entities and scores" in output
    (trial,) = json.loads(paths[2].read_text())["environments"]
    assert trial["was_tried"] and not trial["failure"]
