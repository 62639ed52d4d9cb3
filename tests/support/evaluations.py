"""Random tags, lines, odd corpora and quick pipelines for the tests of the evaluation."""

import spacy
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_bert_ner.evaluate.lines import Line
from spacy_bert_ner.schemes import tags_to_spans

TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
VOCAB = spacy.blank("en").vocab
EVIL = "<script>alert('x')</script>&\"{{ 7 * 7 }}"


@st.composite
def tag_pairs(draw):
    """Draw gold and found tags of some lines, ill formed ones among them."""
    pairs = []
    for _ in range(draw(st.integers(0, 4))):
        n = draw(st.integers(1, 8))
        tags = st.lists(st.sampled_from(TAGS), min_size=n, max_size=n)
        pairs.append((draw(tags), draw(tags)))
    return pairs


def make_line(gold, found, n=10, doc=0, scores=None):
    text = "x" * n
    units = [(i, i + 1) for i in range(n)]
    scores = scores or [None] * len(found)
    return Line(doc, text, units, gold, found, scores, frozenset(), n, 0)


def make_lines(pairs):
    return [
        make_line(tags_to_spans(gold), tags_to_spans(found), n=len(gold), doc=i)
        for i, (gold, found) in enumerate(pairs)
    ]


def make_example(words, gold, found, *, default="outside"):
    docs = []
    for spans in (found, gold):
        doc = Doc(VOCAB, words=words)
        doc.set_ents([Span(doc, *span[:2], label=span[2]) for span in spans], default=default)
        docs.append(doc)
    return Example(*docs)


def write_data(path, rows):
    """Write docs of (words, IOB2 tags)."""
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=words, ents=tags) for words, tags in rows]
    DocBin(docs=docs).to_disk(path)
    return path


def make_ruler(path, patterns):
    """Save a pipeline that finds the words it is given: fast, and without any model."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    # Without any pattern, it warns.
    patterns = patterns or [("nowhere to be found", "NONE")]
    ruler.add_patterns([{"label": label, "pattern": text} for text, label in patterns])
    path.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(path)
    return path


CASES = {
    "no entities": ([(["a", "b"], ["O", "O"])], []),
    "nothing found": ([(["Oslo", "is"], ["B-LOC", "O"])], []),
    "only invented": ([(["Oslo", "is"], ["O", "O"])], [("Oslo", "LOC")]),
    "one label": ([(["Oslo", "is"], ["B-LOC", "O"])], [("Oslo", "LOC")]),
    "a label that is never found": (
        [(["Oslo", "Bob"], ["B-LOC", "B-PER"])] * 3, [("Oslo", "LOC")]
    ),
    "60 labels": (
        [([f"w{i}", "x"], [f"B-LABEL_{i:02}", "O"]) for i in range(60)],
        [(f"w{i}", f"LABEL_{i // 2:02}") for i in range(60)],
    ),
    "right to left, emoji": (
        [(["שלום", "ירושלים", "👩‍🚀🚀", "مرحبا"], ["O", "B-מקום", "B-🙂", "O"])] * 2,
        [("ירושלים", "מקום"), ("مرحبا", "🙂")],
    ),
    "markup": ([([EVIL, "x"], [f"B-{EVIL}", "O"]), (["x", EVIL], ["O", "O"])], [("x", EVIL + "2")]),
}  # fmt: skip
