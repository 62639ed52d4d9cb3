"""The corpus that is read once."""

import pytest
import spacy
from spacy.training import Corpus
from spacy.util import registry
from training_setup import write_corpus


def make_corpus(path, **settings):
    config = {"@readers": "spacy-bert-ner.KeptCorpus.v1", "path": path, **settings}
    return registry.resolve({"corpus": config})["corpus"]


@pytest.mark.parametrize("settings", [{}, {"gold_preproc": True}, {"max_length": 5}, {"limit": 3}])
def test_gives_what_spacys_corpus_gives(tmp_path, settings):
    write_corpus(tmp_path)
    nlp = spacy.blank("en")
    examples = list(make_corpus(tmp_path / "dev.spacy", **settings)(nlp))
    expected = list(Corpus(tmp_path / "dev.spacy", **settings)(nlp))
    assert [eg.to_dict() for eg in examples] == [eg.to_dict() for eg in expected]
    assert [eg.predicted.text for eg in examples] == [eg.predicted.text for eg in expected]


def test_is_read_once_for_each_pipeline(tmp_path):
    write_corpus(tmp_path)
    nlp, corpus = spacy.blank("en"), make_corpus(tmp_path / "dev.spacy")
    examples = list(corpus(nlp))
    (tmp_path / "dev.spacy").unlink()
    assert all(a is b for a, b in zip(examples, corpus(nlp), strict=True))
    write_corpus(tmp_path)
    other = spacy.blank("en")
    assert all(eg.predicted.vocab is other.vocab for eg in corpus(other))


def test_evaluation_does_not_change_the_examples(tmp_path):
    write_corpus(tmp_path)
    nlp, corpus = spacy.blank("en"), make_corpus(tmp_path / "dev.spacy")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ada"}])
    assert nlp.evaluate(corpus(nlp))["ents_r"] == nlp.evaluate(corpus(nlp))["ents_r"] > 0
    assert not any(eg.predicted.ents for eg in corpus(nlp))


def test_path_is_needed():
    with pytest.raises(ValueError, match="E913"):
        make_corpus(None)
