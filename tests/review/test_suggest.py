"""The texts that teach most: measured against all paths, chosen unlike each other, written."""

import json

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from spacy.tokens import Doc
from support.commands import run
from support.evaluations import VOCAB
from support.reviews import read_rows, save_model, write_docs
from support.tag_problems import all_paths, problems, read_spans, sum_scores

from spacy_bert_ner.decode.entities import TagModel
from spacy_bert_ner.review.judge import Scored
from spacy_bert_ner.review.suggest import SUGGESTIONS, Scouted, choose, find_new, scout
from spacy_bert_ner.tag.words import Words

TEXTS = [
    "Alex Smith lives in New York now .",
    "Rome and Oslo met Ada",
    "London is big",
    "Ada and London saw York",
    "London is big",
    "Alex Smith lives in London now .",
]


@given(problems())
@settings(max_examples=60, deadline=None)
def test_uncertainty_and_wishes_are_those_of_all_paths(problem):
    tag_set, scores, is_start, transitions = problem
    n = len(scores)
    words = Words(np.arange(n), is_start, np.zeros(n, dtype=bool))
    doc = Doc(VOCAB, words=["x"] * n)
    item = Scored(doc, doc, words, scores, TagModel(tag_set, transitions))
    paths = all_paths(is_start, tag_set)
    weights = np.exp([sum_scores(path, scores, is_start, transitions) for path in paths])
    found = scout(item, np.asarray([3.0, 4.0]), ["A"])
    best = (weights.max() / weights.sum()) ** (1 / n)
    assert found.uncertainty == pytest.approx(1 - best, abs=1e-9)
    counts = [sum(span[2] == "A" for span in read_spans(p, tag_set.tags)) for p in paths]
    assert found.wished == pytest.approx(weights @ counts / weights.sum(), abs=1e-9)
    assert found.vector.tolist() == [0.6, 0.8]


def make_scouted(uncertainty, vector, wished=0.0):
    doc = Doc(VOCAB, words=["x"])
    return Scouted(doc, [], uncertainty, wished, np.asarray(vector, dtype=float))


def test_uncertain_texts_are_chosen_unlike_each_other_and_by_wish():
    twins = [make_scouted(0.9, [1, 0]), make_scouted(0.8, [1, 0])]
    other, dull = make_scouted(0.5, [0, 1]), make_scouted(0.1, [0, 1])
    texts = [dull, twins[1], other, twins[0]]
    assert [x.uncertainty for x in choose(texts, 2)] == [0.9, 0.5]
    assert len(choose(texts, 10)) == 4 and choose([], 3) == []
    # so many of the most uncertain ones are candidates at all
    crowd = [make_scouted(0.9 - i / 100, [1, 0]) for i in range(5)]
    assert choose([*crowd, other], 1)[0].uncertainty == 0.9
    assert other not in choose([*crowd, *crowd, other], 2)[1:]
    wished = make_scouted(0.2, [0, 1], wished=1.0)
    assert choose([*texts, wished], 1, by_wish=True) == [wished]


@pytest.mark.parametrize("kind", SUGGESTIONS)
def test_the_suggestions_are_new_and_convert_reads_them_back(tmp_path, kind):
    model = save_model(tmp_path / "model")
    pool = tmp_path / "pool.jsonl"
    pool.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    known = write_docs(tmp_path / "train.spacy", [(TEXTS[0].split(), ["O"] * 8)])
    command = ["suggest", model, pool, "--number", "3", "--known", known]
    code, output = run(*command)
    assert code == 0, output
    path = tmp_path / "pool.suggested" / kind
    if kind == "label-studio.json":  # an annotator accepts each prediction
        tasks = json.loads(path.read_text("utf8"))
        for task in tasks:
            task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
        path.write_text(json.dumps(tasks))
    code, output = run("convert", path, tmp_path / "new.spacy", "--docs", "sentence")
    assert code == 0, output
    rows = read_rows(tmp_path / "new.spacy")
    texts = [" ".join(words) for words, _ in rows]
    assert len(set(texts)) == 3 and set(texts) <= set(TEXTS[1:])
    assert any(spans for _, spans in rows)
    code, output = run(*command)
    assert code == 1 and "--force" in output
    code, output = run(*command, "--force", "--label", "ORG")
    assert code == 1 and "does not have the label ORG, expected labels of LOC, PER" in output


def test_a_known_sentence_of_other_words_is_not_suggested(tmp_path):
    nlp = spacy.load(save_model(tmp_path / "model"))
    known = write_docs(tmp_path / "train.spacy", [(["al-Qaida", "left", "."], ["O"] * 3)])
    texts = ["al-Qaida left.", "Ada left.", "Ada  left."]
    assert [doc.text for doc in find_new(nlp, texts, [known])] == ["Ada left."]


def test_texts_are_read_in_many_formats_and_bad_ones_counted(tmp_path):
    model = save_model(tmp_path / "model")
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "a.txt").write_text("London is big\n")
    (pool / "b.csv").write_text("id,body\n1,Ada saw York\n")
    (pool / "c.jsonl").write_text('{"body": "Ada saw Rome"}\n{"body": 7}\n')
    code, output = run("suggest", model, pool, "--text-field", "body")
    assert code == 0 and "1 record left out" in output and "Only 3 texts are new" in output
    lines = (tmp_path / "pool.suggested" / "doccano.jsonl").read_text("utf8").splitlines()
    texts = {json.loads(line)["text"] for line in lines}
    assert texts == {"London is big", "Ada saw York", "Ada saw Rome"}
