"""The probability of a gold reading at a place, against all paths there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from spacy.tokens import Doc
from support.evaluations import VOCAB
from support.reviews import RIGHT
from support.tag_problems import all_paths, problems, read_spans, sum_scores

from spacy_bert_ner.decode.best_path import build_steps
from spacy_bert_ner.decode.entities import TagModel
from spacy_bert_ner.decode.marginals import sum_paths
from spacy_bert_ner.review.judge import judge_sentences, judge_words, measure_reading
from spacy_bert_ner.tag.words import find_words


def touch(span, start, end):
    return span[0] < end and start < span[1]


@given(problems())
@settings(max_examples=60, deadline=None)
def test_a_reading_has_the_share_of_all_paths_that_have_exactly_it(problem):
    tag_set, scores, is_start, transitions = problem
    paths = all_paths(is_start, tag_set)
    weights = np.exp([sum_scores(path, scores, is_start, transitions) for path in paths])
    spans = [[(a, b + 1, x) for a, b, x in read_spans(path, tag_set.tags)] for path in paths]
    marginals = sum_paths(scores, is_start, build_steps(tag_set, transitions))
    n_words = len(scores)
    for path_spans in spans[:: max(1, len(spans) // 10)]:
        for start in range(n_words):
            for end in range(start + 1, n_words + 1):
                here = [span for span in path_spans if touch(span, start, end)]
                if any(span[0] < start or span[1] > end for span in here):
                    continue
                is_same = [[x for x in s if touch(x, start, end)] == here for s in spans]
                wanted = weights[is_same].sum() / weights.sum()
                found = measure_reading(here, (start, end), is_start, marginals, tag_set)
                assert found == pytest.approx(wanted, abs=1e-9)


def judge(words, tags, scores, model):
    doc = Doc(VOCAB, words=words, ents=tags)
    return judge_words(doc, find_words(doc), np.asarray(scores, dtype=float), model)


def test_places_join_what_overlaps_and_leave_out_what_cannot_be_judged(trained):
    model = TagModel(trained.get_pipe("ner")._tag_set)  # O, B-LOC, I-LOC, B-PER, I-PER
    n = {tag: i for i, tag in enumerate(model.tag_set.tags)}
    scores = np.zeros((5, 5))
    for i, tag in enumerate(["B-LOC", "I-LOC", "O", "B-PER", "O"]):
        scores[i, n[tag]] = 5.0
    words = ["New", "York", "and", "Ada", "x"]
    said = judge(words, ["B-LOC", "B-PER", "O", "O", "O"], scores, model)
    assert [place[:4] for place in said.places] == [
        (0, 2, ((0, 1, "LOC"), (1, 2, "PER")), ((0, 2, "LOC"),)),
        (3, 4, (), ((3, 4, "PER"),)),
    ]
    assert all(place.gold_prob < 0.1 < 0.9 < place.found_prob for place in said.places)
    # a label that the model does not have, and a word that nobody annotated
    said = judge(words, ["B-ORG", "I-ORG", "O", "", "O"], scores, model)
    assert said.places == [] and said.n_unjudged == 1
    # whitespace is no word: the place is in tokens
    said = judge(["\n", *words], ["O"] * 6, scores, model)
    assert [place[:2] for place in said.places] == [(1, 3), (4, 5)]


def test_sentences_are_judged_alone_and_stay_as_they_are(trained):
    docs = [Doc(trained.vocab, words=RIGHT[0], ents=RIGHT[1]) for _ in range(3)]
    docs.insert(1, Doc(trained.vocab))
    said = list(judge_sentences(trained, "ner", docs))
    assert said[0] == said[2] and said[1].places == []
    alone = next(judge_sentences(trained, "ner", docs[:1]))
    for place, other in zip(said[0].places, alone.places, strict=True):
        assert place[:4] == other[:4]
        assert place.gold_prob == pytest.approx(other.gold_prob, abs=1e-6)
    assert [ent.label_ for ent in docs[0].ents] == ["PER", "LOC"]
