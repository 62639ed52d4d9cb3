"""A student learns what its teachers believe: gradients, resuming, and what is refused."""

import json

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from support.commands import run
from support.pipelines import make_nlp, train
from support.tag_problems import all_paths, assert_gradients, problems, sum_scores
from support.trainings import CONFIG, make_config, write_corpus

from spacy_bert_ner.annotate.places import InputFile
from spacy_bert_ner.decode.best_path import build_steps
from spacy_bert_ner.decode.crf import compute_taught_loss
from spacy_bert_ner.decode.marginals import sum_paths
from spacy_bert_ner.tag.loss import compute_taught_tag_loss
from spacy_bert_ner.tag.tag_set import build_tag_set
from spacy_bert_ner.tag.targets import Targets, write_targets
from spacy_bert_ner.teach import teach as module
from spacy_bert_ner.teach.targets import Teacher
from spacy_bert_ner.teach.teach import read_texts_to_teach, train_student


@given(problems(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_taught_loss_is_the_cross_entropy_of_all_paths(problem, pick):
    tag_set, scores, is_start, transitions = problem
    scores = scores.astype("float64")
    paths = all_paths(is_start, tag_set)
    rng = np.random.default_rng(pick)
    teacher = rng.normal(size=scores.shape)
    believed = sum_paths(teacher, is_start, build_steps(tag_set))
    targets = Targets(believed.tags, believed.steps)

    def compute(scores, transitions):
        return compute_taught_loss(scores, targets, is_start, build_steps(tag_set, transitions))

    loss, d_scores, d_steps = compute(scores, transitions)
    wanted = np.exp([sum_scores(p, teacher, is_start, np.zeros_like(transitions)) for p in paths])
    found = np.asarray([sum_scores(p, scores, is_start, transitions) for p in paths])
    log_probs = found - np.log(np.exp(found - found.max()).sum()) - found.max()
    expected = -(wanted / wanted.sum() * log_probs).sum() / len(scores)
    assert loss == pytest.approx(expected, abs=1e-8)
    gradients = (d_scores, d_steps)
    assert_gradients(lambda *xs: compute(*xs)[0], (scores, transitions), gradients, pick)


def test_the_taught_loss_of_single_tags_has_its_gradient():
    rng = np.random.default_rng(0)
    scores, probs = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3), size=4)
    _, gradient = compute_taught_tag_loss(scores, probs)
    for cell in np.ndindex(scores.shape):
        above, below = scores.copy(), scores.copy()
        above[cell] += 1e-5
        below[cell] -= 1e-5
        slope = compute_taught_tag_loss(above, probs)[0] - compute_taught_tag_loss(below, probs)[0]
        assert slope / 2e-5 == pytest.approx(gradient[cell], abs=1e-8)


WORDS = ["Ada", "saw", "Oslo"]
TAG_SET = build_tag_set(["LOC", "PER"])


def make_taught(nlp, words, path):
    """A doc whose teacher is sure of one path."""
    doc = Doc(nlp.vocab, words=words)
    scores = np.where(np.asarray(path)[:, None] == np.arange(5), 0.0, -20.0)
    is_start = np.arange(len(words)) == 0
    found = sum_paths(scores, is_start, build_steps(TAG_SET))
    doc.set_ents([], default="outside")
    write_targets(doc, Targets(found.tags, found.steps), TAG_SET)
    return Example(Doc(nlp.vocab, words=words), doc)


@pytest.mark.parametrize("decoder", ["crf", "valid"])
def test_a_batch_may_have_docs_with_and_without_targets(decoder):
    nlp = make_nlp(model={"decoder": decoder})
    gold = Doc(nlp.vocab, words=["Rome", "fell"], ents=["B-LOC", "O"])
    examples = [
        make_taught(nlp, WORDS, [3, 0, 1]),
        Example(Doc(nlp.vocab, words=["Rome", "fell"]), gold),
        Example(Doc(nlp.vocab), Doc(nlp.vocab)),
        make_taught(nlp, ["Bob", "Lee", "ate"], [3, 4, 0]),
    ]
    spacy.util.fix_random_seed(0)
    pipe = nlp.get_pipe("ner")
    pipe.add_label("LOC")
    pipe.add_label("PER")
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(60):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["ner"] < 0.05
    found = [[(e.text, e.label_) for e in nlp(eg.predicted.copy()).ents] for eg in examples]
    assert found == [[("Ada", "PER"), ("Oslo", "LOC")], [("Rome", "LOC")], [], [("Bob Lee", "PER")]]


def test_targets_in_place_of_gold_tags_give_the_same_gradient():
    """A teacher that is sure of the gold path teaches what the gold tags do."""
    nlp = make_nlp()
    gold = Doc(nlp.vocab, words=WORDS, ents=["B-PER", "O", "B-LOC"])
    plain = Example(Doc(nlp.vocab, words=WORDS), gold)
    train(nlp, 2, [plain])
    pipe = nlp.get_pipe("ner")
    scores, _ = pipe.model.begin_update([plain.predicted])
    loss, wanted = pipe.get_loss([plain], scores)
    taught_loss, found = pipe.get_loss([make_taught(nlp, WORDS, [3, 0, 1])], scores)
    assert taught_loss == pytest.approx(loss, abs=1e-3)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-3)


@pytest.fixture(scope="module")
def teacher():
    nlp = make_nlp()
    names = ["Alex", "Ada", "Mary", "Joan"]
    places = ["London", "Paris", "Rome", "Oslo"]
    examples = []
    for name, place in zip(names, places, strict=True):
        doc = Doc(nlp.vocab, words=[name, "likes", place], ents=["B-PER", "O", "B-LOC"])
        examples.append(Example(Doc(nlp.vocab, words=[name, "likes", place]), doc))
    train(nlp, 60, examples)
    return nlp


def write_texts(path, n=30):
    names, places = ["Alex", "Ada", "Mary", "Joan"], ["London", "Paris", "Rome", "Oslo"]
    texts = [f"{names[i % 4]} likes {places[i * 7 % 4]}" for i in range(n)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_a_student_learns_from_texts_alone_and_continues_after_a_stop(
    tmp_path, teacher, monkeypatch
):
    write_corpus(tmp_path)
    monkeypatch.setattr(module, "PART", 8)
    config = make_config(tmp_path, **{"training.max_epochs": 8, "paths.train": None})
    texts = write_texts(tmp_path / "texts.jsonl")
    settings = {"texts": [texts], "stdout": (tmp_path / "log").open("w")}

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "train", stop)
        train_student([Teacher(teacher, "t")], config, tmp_path / "out", **settings)
    parts = sorted((tmp_path / "out" / "targets").glob("*.spacy"))
    assert len(parts) == 4
    parts[2].unlink()
    (tmp_path / "out" / "targets" / "part-00003.part").write_bytes(b"half")
    others = {path: path.stat().st_mtime_ns for path in parts if path.exists()}
    train_student([Teacher(teacher, "t")], config, tmp_path / "out", **settings)
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert sorted((tmp_path / "out" / "targets").glob("*.spacy")) == parts
    student = spacy.load(tmp_path / "out" / "model-best")
    assert [e.label_ for e in student("Mary likes Oslo").ents] == ["PER", "LOC"]
    with pytest.raises(ValueError, match="targets of other teachers, texts or settings"):
        train_student(
            [Teacher(teacher, "t")], config, tmp_path / "out", **settings, gold_weight=0.1
        )


def test_a_label_that_the_teacher_finds_in_no_text_is_kept(tmp_path):
    write_corpus(tmp_path)
    ruler = spacy.blank("en")
    patterns = [{"label": "PER", "pattern": "Ada"}, {"label": "LOC", "pattern": "Oslo"}]
    ruler.add_pipe("entity_ruler").add_patterns(patterns)
    texts = tmp_path / "texts.txt"
    texts.write_text("Ada likes it\nMary likes it\n" * 10)
    config = make_config(tmp_path, **{"training.max_epochs": 2})
    log = (tmp_path / "log").open("w")
    nlp = train_student([Teacher(ruler, "t")], config, tmp_path / "out", texts=[texts], stdout=log)
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")


def test_what_is_left_out_is_told_and_nothing_is_refused(tmp_path, monkeypatch):
    ruler, other = spacy.blank("en"), spacy.blank("en")
    for nlp, pattern in ((ruler, "Ada"), (other, "Oslo")):
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": pattern}])
    teachers = [Teacher(ruler, "t"), Teacher(other, "u")]
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: None)
    config, log = make_config(tmp_path, **{"paths.train": None}), tmp_path / "log"
    texts = tmp_path / "a.jsonl"
    for n_same, output in ((2, "a"), (0, "b")):
        texts.write_text('{"text": "Ada likes Oslo"}\n' + '{"text": "no"}\n' * n_same)
        settings = {"texts": [texts], "agreement": 1.0, "stdout": log.open("w")}
        if n_same:
            train_student(teachers, config, tmp_path / output, **settings)
            settings["stdout"].close()
            assert "1 of 3 texts left out: empty, or fewer teachers agree" in log.read_text()
        else:
            with pytest.raises(ValueError, match=r"Nothing to teach \(1 of 1 text left out"):
                train_student(teachers, config, tmp_path / output, **settings)


def test_the_command_takes_settings_of_the_config(tmp_path, teacher):
    write_corpus(tmp_path)
    teacher.to_disk(tmp_path / "teacher")
    (tmp_path / "config.cfg").write_text(CONFIG)
    exit_code, output = run(
        "teach", tmp_path / "teacher", "--config", tmp_path / "config.cfg",
        "--train", tmp_path / "train.spacy", "--texts", write_texts(tmp_path / "texts.jsonl", 5),
        "--paths.dev", tmp_path / "dev.spacy", "--components.ner.model.hidden", "4",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert exit_code == 0, output
    docs = [
        doc
        for path in (tmp_path / "out" / "targets").glob("*.spacy")
        for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    ]
    assert len(docs) == 45
    config = spacy.util.load_config(tmp_path / "out" / "model-last" / "config.cfg")
    assert config["components"]["ner"]["model"]["hidden"] == 4


def test_records_without_a_text_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"txt": "b"}\n')
    with pytest.raises(ValueError, match=r'record 2: .* Texts are in the field "text"'):
        list(read_texts_to_teach(InputFile("a.jsonl", str(path)), spacy.blank("en")))


def test_a_text_file_has_one_text_in_each_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one two\n\nthree\n")
    found = read_texts_to_teach(InputFile("a.txt", str(path)), spacy.blank("en"))
    assert [eg.reference.text for eg in found] == ["one two", "three"]
