from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bert_ner.convert.checks import CutFinder
from spacy_bert_ner.read.languages import make_tokenizer
from spacy_bert_ner.read.sentence import DocData

WORDS = """
Oslo U.S. Feb . - / & ' 's ( ) $ 5 don't 1999-2000 Inc. HK$ a ... , % ’s x-ray
"""


@st.composite
def docs(draw):
    words = draw(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=8))
    n = len(words)
    spaces = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    edges = sorted(draw(st.sets(st.integers(0, n), max_size=4)))
    spans = [(a, b, "X") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    return DocData(words, spaces, spans, [0])


@settings(deadline=None)
@given(docs(), st.sampled_from(["en", "es", "nl"]))
def test_cuts_are_those_of_the_whole_text(doc, lang):
    tokenizer = make_tokenizer(lang)
    whole = tokenizer(doc.text)
    starts = {token.idx for token in whole}
    ends = {token.idx + len(token) for token in whole}
    offsets = [0]
    for word, space in zip(doc.words, doc.spaces, strict=True):
        offsets.append(offsets[-1] + len(word) + space)
    expected = [
        (a, b, label)
        for a, b, label in doc.spans
        if offsets[a] not in starts or offsets[b - 1] + len(doc.words[b - 1]) not in ends
    ]
    found = CutFinder(tokenizer).find(doc)
    assert [span for span, _ in found] == expected
    assert all(token in {t.text for t in whole} for _, token in found)
