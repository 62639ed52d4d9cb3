"""Examples with rare labels, shown several times."""

import io
import warnings

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.util import registry
from support.runs import make

from spacy_bert_ner.convert.annotated import mark_annotated
from spacy_bert_ner.train.train import train

nlp = spacy.blank("en")


def make_doc(word, *labels, group=()):
    doc = Doc(nlp.vocab, [word, "a", "b"])
    doc.ents = [Span(doc, i, i + 1, label) for i, label in enumerate(labels)]
    doc.spans["sc"] = [Span(doc, 0, 1, label) for label in group]
    return doc


@pytest.mark.parametrize("name", ["spacy-bert-ner.KeptCorpus.v1", "spacy.Corpus.v1"])
def test_each_example_comes_as_often_as_its_rarest_label_says(name, tmp_path):
    docs = [
        make_doc("none"),
        make_doc("common", "geo"),
        make_doc("rare", "geo", "art"),
        make_doc("rarest", "art", "nat"),
        make_doc("grouped", group=["nat"]),
        mark_annotated(make_doc("annotated", "geo"), ["geo", "nat"]),
    ]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    repeat = registry.get("augmenters", "spacy-bert-ner.repeat_labels.v1")({"art": 3, "nat": 5})
    make_reader = registry.get("readers", name)
    read = make_reader(path=str(tmp_path / "train.spacy"), gold_preproc=True, augmenter=repeat)
    found = list(read(nlp))
    counts = {}
    for example in found:
        key = example.reference[0].text
        counts[key] = counts.get(key, 0) + 1
        assert [token.text for token in example.predicted] == [t.text for t in example.reference]
    assert counts == {
        "none": 1, "common": 1, "rare": 3, "rarest": 5, "grouped": 5, "annotated": 1
    }  # fmt: skip
    assert len({id(example.predicted) for example in found}) == len(found)


def test_labels_that_the_pipeline_does_not_have_are_named(tmp_path):
    repeating = {"@augmenters": "spacy-bert-ner.repeat_labels.v1", "times": {"LOC": 2, "art": 5}}
    config = make(tmp_path, **{"training.max_epochs": 1})
    config["corpora"]["train"]["augmenter"] = repeating
    with pytest.warns(UserWarning, match="`times` of .* has 'art', expected labels .*: LOC, PER"):
        train(config, tmp_path / "out", stdout=io.StringIO())
    del repeating["times"]["art"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(config, tmp_path / "other", stdout=io.StringIO())
