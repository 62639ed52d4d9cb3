"""The component by itself, on a small CNN: spaCy's habits for trainable pipes."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from support.pipelines import DATA, EXPECTED, make_examples, make_nlp, read_ents, train

from spacy_bert_ner.tag import token_classifier
from spacy_bert_ner.tag.words import find_words, join_words

SHAPE = {"@architectures": "spacy-bert-ner.WordShape.v1"}
FORMS = {"@architectures": "spacy-bert-ner.WordForms.v1", "width": 8}
# spaCy's own embedding of lexeme attributes fits as well.
PREFIXES = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 16,
    "attrs": ["PREFIX", "SUFFIX"],
    "rows": [100, 100],
    "include_static_vectors": False,
}


@pytest.fixture(scope="module")
def trained():
    nlp = make_nlp()
    train(nlp)
    return nlp


def test_learns_two_sentences(trained):
    assert [read_ents(trained(text)) for text, _ in DATA] == EXPECTED


@pytest.mark.parametrize("hidden", [None, 16])
@pytest.mark.parametrize(
    ("features", "n_features"),
    [(None, 0), (SHAPE, 64), (FORMS, 8 * 4 * 3), (PREFIXES, 16)],
)
def test_every_shape_of_the_head_learns_and_reloads(tmp_path, hidden, features, n_features):
    nlp = make_nlp(model={"hidden": hidden, "features": features})
    assert train(nlp)["ner"] < 0.3
    scores = nlp.get_pipe("ner").model.predict([nlp.make_doc(DATA[0][0])])[0]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    np.testing.assert_array_equal(
        loaded.get_pipe("ner").model.predict([loaded.make_doc(DATA[0][0])])[0], scores
    )
    n_weights = sum(
        p.numel()
        for p in loaded.get_pipe("ner").model.get_ref("tag_scores").shims[0]._model.parameters()
    )
    width = 32 + n_features
    n_tags = 5
    assert n_weights == (
        (width + 1) * n_tags if hidden is None else (width + 1) * hidden + (hidden + 1) * n_tags
    )


def test_bytes_disk_pickle_and_copies_keep_entities_and_labels(trained, tmp_path):
    trained.to_disk(tmp_path)
    from_bytes = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    copies = [
        spacy.load(tmp_path),
        from_bytes,
        pickle.loads(pickle.dumps(trained)),
        copy.deepcopy(trained),
    ]
    for nlp in copies:
        assert [read_ents(doc) for doc in nlp.pipe(text for text, _ in DATA)] == EXPECTED
        assert nlp.get_pipe("ner").labels == ("LOC", "PER")


def test_weights_hold_no_pickle(trained):
    data = trained.get_pipe("ner").to_bytes()
    assert b"torch._utils" not in data
    assert b"pickle" not in data


def test_row_32_empty_docs_anywhere(trained):
    texts = [text for text, _ in DATA]
    for stream in (["", *texts], [texts[0], "", texts[1]], [*texts, ""]):
        docs = list(trained.pipe(stream))
        assert [read_ents(doc) for doc in docs if len(doc)] == EXPECTED
        assert [doc.text for doc in docs] == stream
    assert read_ents(trained("")) == []
    assert [read_ents(doc) for doc in trained.pipe(["", ""])] == [[], []]


def test_row_32_the_stock_listener_gives_empty_docs_no_width():
    from spacy_bert_ner.tag.append import keep_width

    Xs = [np.ones((2, 3), "f"), np.zeros((0, 0), "f")]
    Ys, backprop = keep_width()(Xs, True)
    assert [Y.shape for Y in Ys] == [(2, 3), (0, 3)]
    assert backprop(Ys) is Ys
    assert keep_width().predict([]) == []


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_row_34_pipe_equals_call(trained, batch_size):
    texts = [text for text, _ in DATA] * 5 + ["", "Paris, France", "   "]
    called = [trained(text).to_json() for text in texts]
    piped = [doc.to_json() for doc in trained.pipe(texts, batch_size=batch_size)]
    assert piped == called


def test_white_space_is_inside_but_never_at_the_border_of_an_entity(trained):
    doc = trained("  Alex Smith lives in New  York now .\n")
    assert read_ents(doc) == [("Alex Smith", "PER"), ("New  York", "LOC")]
    broken = trained("lives in New\nYork now")
    assert ("New\nYork", "LOC") in read_ents(broken)


def test_entities_stop_at_blank_lines_and_sentences(trained):
    assert all("\n\n" not in text for text, _ in read_ents(trained("in New\n\nYork now")))
    doc = Doc(
        trained.vocab,
        words=["lives", "in", "New", "York", "now"],
        sent_starts=[True, False, False, True, False],
    )
    spans = trained.get_pipe("ner").predict([doc])[0]
    assert spans
    assert all((start, end) != (2, 4) for start, end, *_ in spans)


def test_words_know_where_entities_may_not_reach():
    nlp = spacy.blank("en")
    words = find_words(nlp.make_doc("one \n\n two\nthree"))
    assert words.tokens.tolist() == [0, 2, 4]
    assert words.is_start.tolist() == [True, True, False]
    assert len(find_words(nlp.make_doc("")).tokens) == 0


def test_entities_that_stand_there_are_kept(trained):
    doc = trained.make_doc(DATA[0][0])
    doc.set_ents([Span(doc, 1, 3, label="OTHER")], default="missing")
    doc = trained.get_pipe("ner")(doc)
    found = [(ent.text, ent.label_) for ent in doc.ents]
    assert ("Smith lives", "OTHER") in found
    assert ("New York", "LOC") in found
    assert all(token.ent_iob != 0 for token in doc)


def test_blocked_tokens_stay_without_an_entity(trained):
    doc = trained.make_doc(DATA[0][0])
    doc.set_ents([], blocked=[doc[4:6]], default="missing")
    doc = trained.get_pipe("ner")(doc)
    assert [ent.text for ent in doc.ents] == ["Alex Smith"]


def test_every_token_is_tagged_afterwards(trained):
    doc = trained("Nothing to see here")
    assert doc.has_annotation("ENT_IOB", require_complete=True)


def test_labels_are_given_and_collected():
    nlp = make_nlp()
    pipe = nlp.get_pipe("ner")
    assert pipe.add_label("MISC") == 1
    assert pipe.add_label("MISC") == 0
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == ("MISC", "LOC", "PER")
    assert pipe.label_data == pipe.labels
    with pytest.raises(TypeError, match="expected str"):
        pipe.add_label(3)
    with pytest.raises(ValueError, match="empty label"):
        pipe.add_label("")


def test_labels_given_to_initialize_are_used():
    nlp = make_nlp()
    pipe = nlp.get_pipe("ner")
    pipe.initialize(lambda: make_examples(nlp), nlp=nlp, labels=["PER", "LOC", "ORG"])
    assert pipe.tags == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("PER", TypeError, "Labels 'PER' are of type str, expected a list"),
        # What `spacy init labels` writes for spaCy's own ner
        ({"0": {}, "1": {"PER": 1}}, TypeError, "are of type dict, expected a list"),
        (1, TypeError, "Labels 1 are of type int"),
        (["PER", 1], TypeError, "Label 1 is of type int, expected str"),
        ([None], TypeError, "Label None is of type NoneType"),
        (["PER", ""], ValueError, "Found an empty label"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(labels, error, message):
    nlp = make_nlp()
    with pytest.raises(error, match=message):
        nlp.get_pipe("ner").initialize(lambda: make_examples(nlp), nlp=nlp, labels=labels)


def test_initialize_twice_makes_the_head_anew():
    nlp = make_nlp()
    train(nlp)
    train(nlp)
    assert [read_ents(nlp(text)) for text, _ in DATA] == EXPECTED
    more = make_examples(nlp, [("IBM is big", [(0, 3, "ORG")])])
    nlp.initialize(lambda: more)
    assert nlp.get_pipe("ner").labels == ("LOC", "PER", "ORG")


def test_no_entities_at_all_is_an_error():
    nlp = make_nlp()
    with pytest.raises(ValueError, match="Found no entity in the training examples"):
        nlp.initialize(lambda: make_examples(nlp, [("Nothing here", [])]))


def test_untrained_component_says_what_to_do():
    with pytest.raises(ValueError, match="no weights yet"):
        make_nlp()("Alex lives in London")


def test_loss_gradient_equals_finite_differences():
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("ner")
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(len(eg.predicted), len(pipe.tags))) for eg in examples]
    loss, d_scores = pipe.get_loss(examples, scores)
    for i, (row, column) in ((0, (2, 1)), (1, (0, 3))):
        moved = [X.copy() for X in scores]
        moved[i][row, column] += 1e-6
        slope = (pipe.get_loss(examples, moved)[0] - loss) / 1e-6
        assert slope == pytest.approx(d_scores[i][row, column], abs=1e-5)


def test_a_loss_that_is_no_number_stops_training():
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    scores = [np.full((len(eg.predicted), 5), np.nan) for eg in examples]
    with pytest.raises(ValueError, match="loss of 'ner' is nan"):
        nlp.get_pipe("ner").get_loss(examples, scores)


def test_scores_come_from_the_scorer(trained):
    scores = trained.evaluate(make_examples(trained))
    assert scores["ents_f"] == 1.0
    assert set(scores["ents_per_type"]) == {"LOC", "PER"}
    wrong = make_examples(trained, [(DATA[1][0], [(0, 6, "PER")])])
    assert trained.evaluate(wrong)["ents_f"] == 0.0


def test_sizes_are_learned_from_docs_with_tokens():
    nlp = make_nlp()
    empty = [Example(nlp.make_doc(""), nlp.make_doc("")) for _ in range(12)]
    optimizer = nlp.initialize(lambda: [*empty, *make_examples(nlp)])
    assert nlp.update([*empty, *make_examples(nlp)], sgd=optimizer)["ner"] > 0
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    ner.initialize(lambda: [Example(nlp.make_doc(""), nlp.make_doc(""))], labels=["PER"])
    assert ner(nlp("Alex")).ents is not None


def test_row_51_a_pickled_pipeline_works_in_a_fresh_process(trained, tmp_path):
    (tmp_path / "nlp.pkl").write_bytes(pickle.dumps(trained))
    code = f"""
import pickle
import subprocess
import sys
nlp = pickle.load(open({str(tmp_path / "nlp.pkl")!r}, "rb"))
print([(ent.text, ent._.score > 0) for ent in nlp({DATA[1][0]!r}).ents])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[('London', True)]\n", done.stderr


@pytest.mark.parametrize("scheme", ["IOB2", "BILOU"])
@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
def test_row_53_scores_that_are_no_numbers_name_the_doc_and_the_cause(monkeypatch, scheme, damage):
    nlp = make_nlp(scheme=scheme)
    train(nlp, n_steps=1)
    pipe = nlp.get_pipe("ner")
    forward = pipe.model._func

    def forward_damaged(model, docs, is_train):
        scores, backprop = forward(model, docs, is_train)
        for doc, X in zip(docs, scores, strict=True):
            if doc.text.startswith("bad"):
                X[0, 1] = damage
        return scores, backprop

    monkeypatch.setattr(pipe.model, "_func", forward_damaged)
    message = r"in 2 of 3 docs, the first of which begins with 'bad luck'.*float16"
    with pytest.raises(ValueError, match=message):
        pipe.predict([nlp.make_doc(text) for text in ("good", "bad luck", "bad day")])
    with pytest.raises(ValueError, match="1 of 1 docs"):
        pipe.predict_readings(nlp.make_doc("bad luck"))


def test_an_error_handler_gets_only_the_docs_that_fail(monkeypatch):
    nlp = make_nlp()
    train(nlp)
    failed, forward = [], nlp.get_pipe("ner").model._func

    def fail_sometimes(model, docs, is_train):
        if any(doc.text.startswith("bad") for doc in docs):
            raise ZeroDivisionError("bad luck")
        return forward(model, docs, is_train)

    monkeypatch.setattr(nlp.get_pipe("ner").model, "_func", fail_sometimes)
    texts = ["bad day", *(text for text, _ in DATA), "bad", "no one"]
    with pytest.raises(ZeroDivisionError):
        list(nlp.pipe(texts))
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((name, docs, str(error))))
    for batch_size in (1, 4, 64):
        docs = list(nlp.pipe(texts, batch_size=batch_size))
        assert [doc.text for doc in docs] == [text for text in texts if "bad" not in text]
        assert [read_ents(doc) for doc in docs][:2] == EXPECTED
        assert [[doc.text for doc in docs] for _, docs, _ in failed] == [["bad day"], ["bad"]]
        assert {(name, error) for name, _, error in failed} == {("ner", "bad luck")}
        failed.clear()


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_docs_scored_in_blocks_get_the_same_entities(trained, monkeypatch, size):
    texts = ["", *[text for text, _ in DATA], "", " ", *[text for text, _ in DATA] * 3, "", ""]
    expected = [read_ents(trained(text)) for text in texts]
    assert any(expected)
    monkeypatch.setattr(token_classifier, "BLOCK_WORDS", size)
    assert [read_ents(doc) for doc in trained.pipe(texts)] == expected


def test_words_of_joined_docs_are_those_of_each():
    nlp = spacy.blank("en")
    texts = ["\n\n one", "", "two \n\n", " three\n \n\nfour", "\n\n", "five six", "", " \n"]
    docs = [nlp.make_doc(text) for text in texts]
    docs[5][1].is_sent_start = True
    docs[5].ents = [Span(docs[5], 0, 1, label="PER")]
    joined, offset = join_words(docs), 0
    parts = []
    for doc in docs:
        words = find_words(doc)
        parts.append(words._replace(tokens=words.tokens + offset))
        offset += len(doc)
    for column, columns in zip(joined, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(column, np.concatenate(columns))
    texts_of = [[token.text for doc in docs for token in doc][i] for i in joined.tokens]
    assert texts_of == ["one", "two", "three", "four", "five", "six"]
    assert joined.is_start.all() and joined.is_preset.tolist() == [False] * 4 + [True, False]
    assert not len(join_words([]).tokens)
