"""Other ways of writing: the entities stay where they are, and the scores are those of the text."""

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_bert_ner.convert.annotated import mark_annotated
from spacy_bert_ner.evaluate.lines import example_to_line
from spacy_bert_ner.evaluate.robustness import CHANGES, WAYS, rewrite, score_robustness

NLP = spacy.blank("en")
WORDS = ["London", "ß", "Iraq", "'s", "“", "X-1", "network", "İzmir", ".", "42", "don’t"]


@st.composite
def docs(draw):
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
    spaces = draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    doc = Doc(NLP.vocab, words=words, spaces=spaces)
    start = draw(st.integers(0, len(words) - 1))
    end = draw(st.integers(start + 1, len(words)))
    doc.ents = [Span(doc, start, end, label="LOC")] if draw(st.booleans()) else []
    return doc


@given(docs(), st.sampled_from(WAYS))
def test_no_entity_is_lost_or_moved(doc, way):
    before = [[token.text for token in ent] for ent in doc.ents]
    (eg,) = rewrite([doc], way)
    line = example_to_line(eg)
    found = [line.get_text(span) for span in line.gold]
    assert len(found) == len(before)
    for text, words in zip(found, before, strict=True):
        assert len("".join(text.split())) == len("".join(words))
        if way not in CHANGES:
            assert "".join(text.split()) == "".join(words)
    assert [[token.text for token in ent] for ent in doc.ents] == before


def rewrite_text(text, way):
    (eg,) = rewrite([NLP(text)], way)
    return eg.predicted.text


@pytest.mark.parametrize(
    ("way", "text", "expected"),
    [
        ("as it is", 'The "big" Iraq.', 'The "big" Iraq.'),
        ("lower case", "London in Straße", "london in straße"),
        ("capitals", "London in Straße", "LONDON IN Straße"),
        ("title case", "the UN in McLean", "The Un In Mclean"),
        ("curly quotes", 'the "big" dog\'s', "the ”big” dog’s"),
        ("straight quotes", "“big” dog’s „x«", '"big" dog\'s "x"'),
        ("no final punctuation", "It is big.", "It is big"),
    ],
)
def test_a_way_of_writing(way, text, expected):
    assert rewrite_text(text, way) == expected


def test_what_was_annotated_is_the_same_in_each_way():
    doc = Doc(NLP.vocab, words=["In", "London", "."])
    gold = mark_annotated(doc, ["LOC"])
    for way in WAYS:
        (eg,) = rewrite([gold], way)
        eg.predicted.ents = [Span(eg.predicted, 0, 1, label="PER")]
        assert example_to_line(eg).n_ignored == 1, way


def test_drawn_changes_are_few_and_the_same_each_time():
    text = "abcdefgh " * 400
    typos = rewrite_text(text, "typos").split()
    n_swapped = sum(word != "abcdefgh" for word in typos)
    assert 20 <= n_swapped <= 60
    assert all(sorted(word) == sorted("abcdefgh") for word in typos)
    assert rewrite_text(text, "typos").split() == typos
    wide = rewrite_text(text, "extra blanks")
    assert wide.split() == text.split()
    assert "\n" in wide
    assert "  " in wide


def make_ruler(*names):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "LOC", "pattern": name} for name in names])
    return nlp


def write_corpus(path, texts):
    nlp = make_ruler("London", "Iraq")
    DocBin(docs=list(nlp.pipe(texts))).to_disk(path)


def test_scores_are_those_of_what_the_pipeline_finds(tmp_path):
    write_corpus(tmp_path / "gold.spacy", ["London and Iraq.", "It is big", "LONDON", ""])
    found = score_robustness(make_ruler("London", "iraq"), tmp_path / "gold.spacy")
    assert {way: row["right"] for way, row in found.items() if way in CHANGES} == {
        "lower case": 1, "capitals": 0, "title case": 1, "typos": 1,
        "curly quotes": 1, "straight quotes": 1,
    }  # fmt: skip
    assert found["as it is"] == {
        "p": 1.0, "r": 0.5, "f": 2 / 3, "right": 1, "found": 1, "gold": 2, "n_changed": 0,
    }  # fmt: skip
    assert found["lower case"]["n_changed"] == 3
    assert found["no final punctuation"]["n_changed"] == 1
    # "London", as title case makes it of "LONDON", is nowhere annotated
    assert found["title case"]["found"] == 2


def test_a_large_corpus_is_sampled_evenly(tmp_path):
    write_corpus(tmp_path / "gold.spacy", ["London"] * 10 + ["nothing here"] * 10)
    found = score_robustness(make_ruler("London"), tmp_path / "gold.spacy", n_docs=4)
    assert found["as it is"]["gold"] == 2
