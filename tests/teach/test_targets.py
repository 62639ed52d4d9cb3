"""What teachers believe: exact marginals, averaged with each other and with the gold annotation."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from support.pipelines import make_examples, make_nlp, train
from support.tag_problems import all_paths, problems, sum_scores

from spacy_bert_ner.decode.best_path import build_steps
from spacy_bert_ner.review.judge import score_docs
from spacy_bert_ner.tag.tag_set import build_tag_set
from spacy_bert_ner.tag.targets import Targets, join_targets, read_targets, write_targets
from spacy_bert_ner.tag.words import find_words
from spacy_bert_ner.teach.targets import Teacher, TeacherView, agree_on_tags, average_views, teach


@given(problems(), st.data())
@settings(max_examples=30, deadline=None)
def test_targets_are_the_average_of_all_paths(problem, data):
    tag_set, scores, is_start, transitions = problem
    paths = np.asarray(all_paths(is_start, tag_set))
    gold = paths[data.draw(st.integers(0, len(paths) - 1))]
    possible = gold[:, None] == np.arange(scores.shape[1])
    possible |= np.asarray(
        data.draw(st.lists(st.booleans(), min_size=len(gold), max_size=len(gold)))
    )[:, None]
    weight = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    steps = build_steps(tag_set, transitions)
    views = [
        TeacherView(scores, steps, is_start),
        TeacherView(-scores, build_steps(tag_set), is_start),
    ]
    found = average_views(views, possible, weight)

    expected = np.zeros(scores.shape)
    for X, T in ((scores, transitions), (-scores, np.zeros_like(transitions))):
        weights = np.exp([sum_scores(path, X, is_start, T) for path in paths])
        fits = np.asarray([all(possible[i, tag] for i, tag in enumerate(path)) for path in paths])
        shares = (1 - weight) * weights / weights.sum()
        shares += weight * weights * fits / (weights * fits).sum()
        for path, share in zip(paths, shares / 2, strict=True):
            expected[np.arange(len(path)), path] += share
    np.testing.assert_allclose(found.tags, expected, atol=1e-9)
    np.testing.assert_allclose(found.steps[:, :-1].sum(axis=0), expected.sum(axis=0), atol=1e-9)


@pytest.fixture(scope="module")
def nlp():
    made = make_nlp()
    train(made)
    return made


def test_targets_survive_a_file_and_come_in_the_tags_of_the_student(nlp, tmp_path):
    teacher = Teacher(nlp, "x")
    tag_set = agree_on_tags([teacher])
    doc = nlp.make_doc("Alex Smith lives in New York now .")
    (taught,) = teach([teacher], [Example(doc, doc)], tag_set)
    assert [(ent.text, ent.label_) for ent in taught.ents] == [
        ("Alex Smith", "PER"),
        ("New York", "LOC"),
    ]
    DocBin(docs=[taught], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (read,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    eg = Example(Doc(read.vocab, words=[t.text for t in read]), read)
    other = build_tag_set(["PER", "LOC"])
    found = read_targets(eg, find_words(eg.predicted), other)
    probs = nlp.get_pipe("ner").predict_tag_probs(doc)
    order = [nlp.get_pipe("ner").tags.index(tag) for tag in other.tags]
    np.testing.assert_allclose(found.tags, probs[:, order], atol=1e-3)
    np.testing.assert_allclose(found.steps.sum(), len(doc) + 1, atol=1e-2)
    with pytest.raises(ValueError, match=r"taught the tags O, B-LOC.*expected those of the comp"):
        read_targets(eg, find_words(eg.predicted), build_tag_set(["PER"]))
    with pytest.raises(ValueError, match="taught 8 words, but is read as 1"):
        read_targets(eg, find_words(Doc(read.vocab, words=["x"])), other)


def test_gold_entities_stay_and_gold_weight_one_teaches_nothing_else(nlp):
    teacher = Teacher(nlp, "x")
    tag_set = agree_on_tags([teacher])
    examples = make_examples(nlp, [("London is big", [(0, 6, "PER")])])
    (taught,) = teach([teacher], examples, tag_set, gold_weight=1.0)
    assert [ent.label_ for ent in taught.ents] == ["PER"]
    eg = Example(taught, taught)
    gold = read_targets(eg, find_words(taught), tag_set).tags
    assert gold.tolist() == [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]]


def test_a_pipeline_without_our_component_teaches_its_entities(nlp):
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Rome"}])
    teacher = Teacher(ruler, "ruler")
    tag_set = agree_on_tags([teacher])
    doc = ruler.make_doc("in Rome now")
    (taught,) = teach([teacher], [Example(doc, doc)], tag_set)
    tags = read_targets(Example(taught, taught), find_words(taught), tag_set).tags
    assert tags.argmax(axis=1).tolist() == [0, 1, 0]
    assert tags.max(axis=1).min() > 0.99


def test_teachers_that_change_tokens_are_refused(nlp):
    doc = nlp.make_doc("Ada left New York")
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "New York"}])
    ruler.add_pipe("merge_entities")
    with pytest.raises(ValueError, match="merges or splits tokens in 1 of 1 docs"):
        Teacher(ruler, "b").score([doc], build_tag_set(["LOC"]))
    merging = spacy.blank("en")
    merging.add_pipe("entity_ruler", source=ruler)
    merging.add_pipe("merge_entities")
    merging.add_pipe("ner", source=nlp)
    with pytest.raises(ValueError, match="merges or splits tokens in 1 of 1 docs"):
        Teacher(merging, "c").score([doc], build_tag_set(["LOC", "PER"]))
    with pytest.raises(ValueError, match="merges or splits tokens in 1 of 1 docs"):
        list(score_docs(merging, "ner", [doc]))


def test_labels_of_a_tagger_are_not_taught():
    tagged = spacy.blank("en")
    tagged.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Rome"}])
    tagged.add_pipe("tagger").cfg["labels"] = ["NN"]
    assert Teacher(tagged, "tagged").labels == ["LOC"]


def test_texts_on_which_teachers_disagree_can_be_left_out(nlp):
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns(
        [{"label": "LOC", "pattern": "London"}, {"label": "PER", "pattern": "big"}]
    )
    teachers = [Teacher(nlp, "a"), Teacher(ruler, "b")]
    tag_set = agree_on_tags(teachers)
    doc = nlp.make_doc("London is big")
    assert len(list(teach(teachers, [Example(doc, doc)], tag_set))) == 1
    assert not list(teach(teachers, [Example(doc, doc)], tag_set, agreement=1.0))


def test_teachers_with_other_labels_or_several_components_are_refused(nlp):
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": "Rome"}])
    with pytest.raises(
        ValueError, match=r"different labels or tag schemes: LOC, PER \(IOB2\) and X"
    ):
        agree_on_tags([Teacher(nlp, "a"), Teacher(ruler, "b")])
    with pytest.raises(ValueError, match="b: no component has labels of entities"):
        Teacher(spacy.blank("en"), "b")
    with pytest.raises(ValueError, match=r"'ner' writes to doc\.spans\['sc'\], but teachers"):
        Teacher(make_nlp(spans_key="sc"), "c")
    two = make_nlp()
    two.add_pipe("bert_ner", name="more", config={"model": two.get_pipe_config("ner")["model"]})
    with pytest.raises(ValueError, match="two has the components ner, more, expected one"):
        Teacher(two, "two")


def test_joined_targets_are_those_of_the_joined_docs():
    one = Targets(np.ones((2, 3)), np.ones((4, 4)))
    joined = join_targets([one, one])
    assert (joined.tags.shape, joined.steps[0, 0]) == ((4, 3), 2.0)


def test_writing_targets_returns_the_doc(nlp):
    doc = nlp.make_doc("a b")
    tag_set = build_tag_set(["LOC"])
    assert write_targets(doc, Targets(np.eye(3)[:2], np.zeros((4, 4))), tag_set) is doc
