import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bert_ner.schemes import (
    KAGGLE_TO_ONTONOTES,
    SCHEMES,
    Bigrams,
    count_bigrams,
    count_entities,
    count_strays,
    find_strays,
    is_tag,
    parse_label_map,
    recognise_scheme,
    spans_to_tags,
    tags_to_spans,
)

LABELS = st.sampled_from(["PER", "LOC", "O", "B-X", "work of art"])
TAGS = st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from("BIESLU"), LABELS))


@st.composite
def sentences(draw):
    """Spans that do not overlap, and the length of their sentence."""
    pieces = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), LABELS), max_size=6))
    spans, at = [], 0
    for gap, length, label in pieces:
        spans.append((at + gap, at + gap + length, label))
        at += gap + length
    return spans, at + draw(st.integers(0, 2))


def conlleval_spans(tags):
    """Oracle: chunk starts and ends, as the tables of the CoNLL scorer give them."""
    spans, start = [], None
    padded = ["O", *tags, "O"]
    for i in range(1, len(padded)):
        before, tag = padded[i - 1], padded[i]
        ends = start is not None and (
            before[0] in "ESLU" or tag[0] in "OBSU" or before[2:] != tag[2:]
        )
        if ends:
            spans.append((start, i - 1, before[2:]))
            start = None
        starts = tag != "O" and (
            before == "O" or before[0] in "ESLU" or tag[0] in "BSU" or before[2:] != tag[2:]
        )
        if starts:
            start = i - 1
    return spans


@given(sentences(), st.sampled_from([s for s in SCHEMES if s != "IO"]))
def test_spans_to_tags_to_spans_is_stable(sentence, scheme):
    spans, length = sentence
    tags = spans_to_tags(spans, length, scheme=scheme)
    assert tags_to_spans(tags) == spans
    assert all(map(is_tag, tags))


@given(sentences(), st.sampled_from(SCHEMES))
def test_tags_to_spans_to_tags_is_stable(sentence, scheme):
    tags = spans_to_tags(*sentence, scheme=scheme)
    assert spans_to_tags(tags_to_spans(tags), len(tags), scheme=scheme) == tags
    assert find_strays(tags, scheme) == []
    bigrams = Bigrams()
    count_bigrams(bigrams, tags)
    assert count_strays(bigrams, scheme) == 0


@given(st.lists(TAGS, max_size=8))
def test_any_tags_are_read_as_the_conll_scorer_reads_them(tags):
    assert tags_to_spans(tags) == conlleval_spans(tags)


@given(st.lists(st.lists(TAGS, max_size=8), max_size=4))
def test_entities_counted_from_bigrams_are_those_of_the_spans(corpus):
    bigrams = Bigrams()
    for tags in corpus:
        count_bigrams(bigrams, tags)
    spans = [span for tags in corpus for span in tags_to_spans(tags)]
    counts = count_entities(bigrams)
    assert sum(counts.values()) == len(spans)
    assert all(counts[label] == sum(x == label for _, _, x in spans) for label in counts)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scheme_is_recognised(scheme):
    spans = [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC")]
    bigrams = Bigrams()
    count_bigrams(bigrams, spans_to_tags(spans, 6, scheme=scheme))
    count_bigrams(bigrams, spans_to_tags([(1, 3, "LOC")], 4, scheme=scheme))
    assert recognise_scheme(bigrams) == scheme


def test_a_few_strays_do_not_change_the_scheme():
    bigrams = Bigrams()
    for _ in range(5):
        count_bigrams(bigrams, ["B-PER", "I-PER", "O"])
    count_bigrams(bigrams, ["O", "I-PER"])
    assert recognise_scheme(bigrams) == "IOB2"
    assert count_strays(bigrams, "IOB2") == 1
    assert find_strays(["O", "I-PER"], "IOB2") == [1]


def test_two_schemes_in_one_file_are_refused():
    bigrams = Bigrams()
    count_bigrams(bigrams, ["S-PER", "U-PER"])
    with pytest.raises(ValueError, match="Tags of two schemes in one file"):
        recognise_scheme(bigrams)


@pytest.mark.parametrize("tag", ["PER", "b-per", "o", "B-", "B_PER", "", "X-PER", "B- ", "-PER"])
def test_malformed_tags(tag):
    assert not is_tag(tag)


@pytest.mark.parametrize("spans", [[(0, 2, "A"), (1, 3, "B")], [(0, 9, "A")], [(1, 1, "A")]])
def test_impossible_spans_are_refused(spans):
    with pytest.raises(ValueError, match="in a sentence of 4 words"):
        spans_to_tags(spans, 4)


def test_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="expected one of IO, IOB1"):
        spans_to_tags([], 1, scheme="IOB3")


def test_label_maps():
    assert parse_label_map(None) == {}
    assert parse_label_map("geo=GPE, per=PERSON") == {"geo": "GPE", "per": "PERSON"}
    assert parse_label_map("ontonotes") == KAGGLE_TO_ONTONOTES
    for bad in ("geo", "geo=", "=GPE", "geo=A,geo=B"):
        with pytest.raises(ValueError, match="expected pairs like geo=GPE"):
            parse_label_map(bad)
