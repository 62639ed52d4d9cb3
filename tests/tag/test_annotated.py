"""Labels that were not annotated are unknown, not absent: in the loss, the scores and the data."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import registry
from support.pipelines import make_nlp, train

from spacy_bert_ner.convert.annotated import ANNOTATED_KEY, mark_annotated
from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion
from spacy_bert_ner.evaluate.lines import example_to_line
from spacy_bert_ner.score.calibrate import judge_path
from spacy_bert_ner.score.scorer import judge_entities, score_entities
from spacy_bert_ner.tag.annotated import find_unknown_tags, is_annotated, list_possible_tags
from spacy_bert_ner.tag.tag_set import build_tag_set
from spacy_bert_ner.tag.words import find_words

TAG_SET = build_tag_set(["LOC", "PER"])
WORDS = ["Ada", "saw", "Oslo"]


def make_example(annotated, ents=("B-PER", "O", "O"), predicted=None):
    vocab = spacy.blank("en").vocab
    reference = Doc(vocab, words=WORDS, ents=list(ents))
    if annotated is not None:
        mark_annotated(reference, annotated)
    return Example(predicted or Doc(vocab, words=WORDS), reference)


def name_possible(eg, gold):
    unknown = find_unknown_tags(eg, find_words(eg.predicted), TAG_SET)
    rows = list_possible_tags(np.asarray(gold), unknown)
    return [{tag for tag, ok in zip(TAG_SET.tags, row, strict=True) if ok} for row in rows]


@pytest.mark.parametrize(
    ("annotated", "possible"),
    [
        (None, [{"B-PER"}, {"O"}]),
        (["LOC", "PER"], [{"B-PER"}, {"O"}]),
        (["PER"], [{"B-PER"}, {"O", "B-LOC", "I-LOC"}]),
    ],
)
def test_words_outside_of_entities_may_have_the_tags_of_unknown_labels(annotated, possible):
    assert name_possible(make_example(annotated), [3, 0, 0]) == [*possible, possible[1]]
    assert name_possible(make_example(annotated), [-1, 0, 0])[0] == set(TAG_SET.tags)


def test_annotated_text_is_found_in_other_tokens():
    vocab = spacy.blank("en").vocab
    predicted = Doc(vocab, words=["A", "da", "saw Os", "lo"], spaces=[False, True, False, False])
    eg = make_example(["PER"], predicted=predicted)
    eg.reference.spans[ANNOTATED_KEY] = [
        *eg.reference.spans[ANNOTATED_KEY],
        Span(eg.reference, 1, 3, "LOC"),
    ]
    unknown = find_unknown_tags(eg, find_words(predicted), TAG_SET)
    assert unknown.any(axis=1).tolist() == [True, True, False, False]


def test_entities_of_labels_that_were_not_annotated_are_refused():
    with pytest.raises(ValueError, match=r"Ada saw Oslo.*entities of PER, expected only .*: LOC"):
        make_example(["LOC"])


def predict_both():
    doc = Doc(spacy.blank("en").vocab, words=WORDS, ents=["B-PER", "O", "B-LOC"])
    make_nlp()  # registers the scores
    doc._.ent_scores = [[0, 3, "PER", 0.9, ""], [8, 12, "LOC", 0.8, ""]]
    return doc


@pytest.mark.parametrize(("annotated", "precision"), [(None, 0.5), (["PER"], 1.0)])
def test_found_entities_of_unknown_labels_are_neither_right_nor_wrong(annotated, precision):
    eg = make_example(annotated, predicted=predict_both())
    assert score_entities([eg])["ents_p"] == precision
    judged = [label for label, _, _ in judge_entities(eg)]
    line = example_to_line(eg)
    known = ["PER"] if annotated else ["PER", "LOC"]
    assert judged == [label for _, _, label in line.found] == known
    assert line.n_ignored == 2 - len(known)
    assert [ent.label_ for ent in eg.predicted.ents] == ["PER", "LOC"]
    assert [is_annotated(eg, ent) for ent in eg.predicted.ents] == [True, annotated is None]
    unknown = find_unknown_tags(eg, find_words(eg.predicted), TAG_SET)
    is_right = judge_path(np.asarray([3, 0, 1]), np.asarray([3, 0, 0]), unknown, TAG_SET)
    assert is_right.tolist() == [1, -1 if annotated else 0]


@pytest.mark.parametrize("spans_key", [None, "sc"])
def test_scores_of_a_span_group_leave_out_unknown_labels(spans_key):
    doc = predict_both()
    doc.spans["sc"] = list(doc.ents)
    eg = make_example(["PER"], predicted=doc)
    prefix = "ents" if spans_key is None else "spans_sc"
    assert score_entities([eg], spans_key=spans_key)[f"{prefix}_f"] == 1.0


@pytest.mark.parametrize("model", [{"decoder": "crf"}, {"decoder": "valid"}])
def test_corpora_with_different_labels_are_learned_together(model):
    nlp = make_nlp(model=model)
    examples = []
    for label, ents in (("PER", ["B-PER", "O", "O"]), ("LOC", ["O", "O", "B-LOC"])):
        for name, place in (("Ada", "Oslo"), ("Bob", "Rome"), ("Eve", "Bonn")):
            reference = Doc(nlp.vocab, words=[name, "saw", place], ents=ents)
            mark_annotated(reference, [label])
            examples.append(Example(Doc(nlp.vocab, words=[name, "saw", place]), reference))
    train(nlp, 80, examples)
    assert [(e.text, e.label_) for e in nlp("Bob saw Bonn").ents] == [
        ("Bob", "PER"),
        ("Bonn", "LOC"),
    ]
    for eg in examples:
        eg.reference.spans.clear()
    train(nlp, 80, examples)
    assert len(nlp("Bob saw Bonn").ents) < 2, "the same data as if all labels were annotated"


def write_columns(path, rows):
    path.write_text("\n".join(f"{word}\t{tag}" if word else "" for word, tag in rows) + "\n")


def test_converted_files_and_readers_say_which_labels_were_annotated(tmp_path):
    source = tmp_path / "a.tsv"
    first = [("Ada", "B-PER"), ("saw", "O"), ("Oslo", "O")]
    write_columns(source, [*first, ("", ""), ("Rome", "O"), ("fell", "O")])
    settings = Conversion(annotated=("PER", "ORG"), docs="2")
    convert([source], tmp_path / "a.spacy", settings=settings)
    nlp = spacy.blank("en")
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(nlp.vocab)
    spans = [(span.text, span.label_) for span in doc.spans[ANNOTATED_KEY]]
    assert sorted(spans) == [
        (text, label) for text in ("Ada saw Oslo", "Rome fell") for label in ("ORG", "PER")
    ]
    plain = tmp_path / "plain.spacy"
    convert([source], plain)
    for config in (
        {"@readers": "spacy-bert-ner.KeptCorpus.v1", "path": tmp_path / "a.spacy"},
        {"@readers": "spacy-bert-ner.KeptCorpus.v1", "path": plain, "labels": ["PER", "ORG"]},
        {"@readers": "spacy-bert-ner.Corpus.v1", "path": str(source), "labels": ["PER", "ORG"]},
    ):
        corpus = registry.resolve({"c": {**config, "gold_preproc": True}})["c"]
        examples = list(corpus(nlp))
        assert [eg.reference.text.strip() for eg in examples] == ["Ada saw Oslo", "Rome fell"]
        for eg in examples:
            group = eg.reference.spans[ANNOTATED_KEY]
            assert sorted((s.start, s.end, s.label_) for s in group) == [
                (0, len(eg.reference), "ORG"),
                (0, len(eg.reference), "PER"),
            ]


def test_converting_refuses_entities_that_were_not_annotated(tmp_path):
    write_columns(tmp_path / "a.tsv", [("Ada", "B-PER"), ("saw", "O")])
    with pytest.raises(ValueError, match=r"a\.tsv: found entities of PER, .*labels: LOC"):
        convert([tmp_path / "a.tsv"], tmp_path / "a.spacy", settings=Conversion(annotated=("LOC",)))
