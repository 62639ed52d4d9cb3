"""What leaves the house: no words of the training data, no paths of the machine."""

import io
import random
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Example
from support import trainings
from support.listening import annotate, make_nlp

from spacy_bert_ner.package.clean import clean_model, find_hashed_strings, hide_places
from spacy_bert_ner.package.wheels import build_model_wheel
from spacy_bert_ner.train.train import train

FIRST, LAST = ("Quor", "Zyx", "Vreb", "Ghaw", "Plomb"), ("wolf", "inger", "uyten", "oqua")


@pytest.fixture(scope="module")
def names():
    """Names that no vocabulary has."""
    return [first + last for first in FIRST for last in LAST]


@pytest.fixture(scope="module")
def trained_folder(names, tmp_path_factory):
    """A folder that `bert-ner train` wrote, after training on these names."""
    folder = tmp_path_factory.mktemp("secret-client")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "NAMES", {"PER": names[:10], "LOC": names[10:]})
        trainings.write_corpus(folder)
        config = trainings.make_config(folder, **{"training.max_epochs": 1})
        train(config, folder / "out", stdout=io.StringIO(), stderr=io.StringIO())
    return folder


def read_all(folder):
    """All bytes of a folder's files."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def find_words(folder, words):
    data = read_all(folder)
    return {word for word in words if any(word.encode() in content for content in data.values())}


def test_row_54_a_package_holds_no_word_of_the_training_data(
    trained_folder, names, tmp_path, monkeypatch
):
    monkeypatch.setattr("spacy_bert_ner.package.wheels.build_wheel", lambda folder, output: folder)
    model = trained_folder / "out/model-best"
    docs = list(
        DocBin().from_disk(trained_folder / "train.spacy").get_docs(spacy.blank("en").vocab)
    )
    trained_on = {token.text for doc in docs for token in doc}
    assert len(trained_on.intersection(names)) > 15
    assert find_words(model, names) == trained_on.intersection(names)
    folder = build_model_wheel(model, tmp_path, name="tiny", version="1.0", meta={})
    assert find_words(folder, names) == set()
    assert find_words(folder, ["secret-client", str(trained_folder)]) == set()
    before, after = spacy.load(model), spacy.load(folder / "en_tiny/en_tiny-1.0")
    texts = [" ".join(token.text for token in doc) for doc in docs]
    found = [[(e.text, e.label_, e._.score) for e in d.ents] for d in after.pipe(texts)]
    assert found == [[(e.text, e.label_, e._.score) for e in d.ents] for d in before.pipe(texts)]
    assert any(found)


def test_paths_of_the_machine_are_shortened_in_all_records(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder(), n_steps=1)
    nlp.meta["sources"] = [{"name": "tiny", "author": f"dir:{get_encoder()}"}]
    nlp.config["paths"]["train"] = "/home/me/secret/train.spacy"
    nlp.to_disk(tmp_path / "model")
    lock = {"source": f"dir:{get_encoder()}", "name": "tiny", "sha256": {}}
    srsly.write_json(tmp_path / "model/encoder.lock.json", lock)
    before = annotate(nlp)
    assert find_words(tmp_path / "model", [str(get_encoder().parent)])
    clean_model(tmp_path / "model")
    assert not find_words(tmp_path / "model", [str(get_encoder().parent), "/home/me"])
    cleaned = spacy.load(tmp_path / "model")
    assert annotate(cleaned) == before
    assert cleaned.config["paths"]["train"] == "train.spacy"
    assert cleaned.meta["sources"][0]["author"] == "dir:bert"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/me/a b/c.spacy", "c.spacy"),
        ("~/corpus/train.spacy", "train.spacy"),
        ("dir:/home/me/encoder/", "dir:encoder"),
        ("C:\\Users\\me\\x", "x"),
        ("assets/encoder", "assets/encoder"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("${paths.train}/a", "${paths.train}/a"),
        ("/", "/"),
        ("and/or", "and/or"),
        (["/a/b", 1, {"x": "/a/c"}], ["b", 1, {"x": "c"}]),
    ],
)
def test_only_absolute_paths_are_shortened(value, expected):
    assert hide_places(value) == expected


def test_strings_that_components_hold_as_hashes_are_kept(tmp_path):
    nlp = spacy.blank("en")
    lemmatizer = nlp.add_pipe("trainable_lemmatizer", config={"min_tree_freq": 1})
    words = ["Zyxwolven", "saw", "mice"]
    lemmas = ["Zyxwolf", "see", "mouse"]
    rng = random.Random(0)
    texts = [rng.sample(range(3), 3) for _ in range(5)]
    examples = []
    for rows in texts:
        doc = spacy.tokens.Doc(nlp.vocab, words=[words[i] for i in rows])
        gold = {"lemmas": [lemmas[i] for i in rows], "words": [words[i] for i in rows]}
        examples.append(Example.from_dict(doc, gold))
    nlp.initialize(lambda: examples)
    patterns = [{"label": "ORG", "pattern": "Acmeton Plc"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.vocab.set_vector("vectorword", np.ones(2, dtype="f"))
    nlp.vocab.strings.add("Confidential")
    nlp.to_disk(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "clean")
    clean_model(tmp_path / "clean")
    cleaned = spacy.load(tmp_path / "clean")
    for word in ("vectorword", "ORG", "Acmeton"):
        assert word in cleaned.vocab.strings
    assert "Confidential" not in cleaned.vocab.strings
    assert find_words(tmp_path / "clean", ["Confidential"]) == set()
    before, after = lemmatizer.trees, cleaned.get_pipe("trainable_lemmatizer").trees
    assert len(before) == len(after) > 2
    assert [after.tree_to_str(i) for i in range(len(after))] == [
        before.tree_to_str(i) for i in range(len(before))
    ]


def test_strings_of_a_knowledge_base_are_kept():
    vocab = spacy.blank("en").vocab
    kb = spacy.kb.InMemoryLookupKB(vocab, entity_vector_length=2)
    kb.add_entity("Q1", freq=1, entity_vector=[1.0, 0.0])
    kb.add_alias("aliasword", entities=["Q1"], probabilities=[1.0])
    pipe = SimpleNamespace(kb=kb)
    nlp = SimpleNamespace(vocab=vocab, components=[("linker", pipe)])
    assert find_hashed_strings(nlp) == {"Q1", "aliasword"}
