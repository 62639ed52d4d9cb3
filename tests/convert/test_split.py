from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bert_ner.convert.split import LEFT_OUT, draw_parts, draw_sample, find_leaks, parse_split

SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.6, 0.3, 0.1), (1.0,)])
GROUPS = st.lists(st.integers(0, 30), max_size=60)


@given(GROUPS, SHARES, st.integers())
def test_a_group_has_one_part(groups, shares, seed):
    parts = draw_parts(groups, shares, seed=seed)
    assert len(parts) == len(groups)
    assert len(set(zip(groups, parts, strict=True))) == len(set(groups))
    assert find_leaks(groups, parts) == []
    assert parts == draw_parts(groups, shares, seed=seed)


@given(st.integers(0, 500), SHARES, st.integers())
def test_shares_are_met_to_one_sentence(n, shares, seed):
    counts = Counter(draw_parts(range(n), shares, seed=seed))
    assert all(abs(counts[i] - share * n) <= 1 for i, share in enumerate(shares))


def test_the_seed_changes_the_parts():
    assert draw_parts(range(50), (0.5, 0.5), seed=0) != draw_parts(range(50), (0.5, 0.5), seed=1)


@given(st.lists(st.sets(st.sampled_from("abcd")).map(sorted), max_size=80), SHARES, st.integers())
def test_strata_give_rare_labels_to_every_part(labels, shares, seed):
    labels = [*labels, ["nat"], ["nat", "a"], ["nat"]]
    groups = range(len(labels))
    parts = draw_parts(groups, shares, seed=seed, labels=labels)
    has_nat = {part for part, names in zip(parts, labels, strict=True) if "nat" in names}
    assert has_nat == set(range(len(shares)))


def test_strata_change_the_parts():
    labels = [["a"] if i % 7 else ["b"] for i in range(60)]
    shares = (0.5, 0.5)
    plain = draw_parts(range(60), shares, seed=3)
    assert draw_parts(range(60), shares, seed=3, labels=labels) != plain


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(LEFT_OUT, 2))))
def test_leaks_are_what_stands_later_too(items):
    keys, parts = [key for key, _ in items], [part for _, part in items]
    expected = [
        i
        for i, (key, part) in enumerate(items)
        if part != LEFT_OUT and any(k == key and p > part for k, p in items)
    ]
    assert find_leaks(keys, parts) == expected
    for i in expected:
        parts[i] = LEFT_OUT
    assert find_leaks(keys, parts) == []


@given(GROUPS, st.integers(0, 40), st.integers())
def test_a_sample_has_the_size_asked_for(groups, n, seed):
    drawn = draw_sample(groups, n, seed=seed)
    distinct = set(groups)
    assert drawn <= distinct
    assert len(drawn) == (min(n, len(distinct)) if n else len(distinct))
    assert drawn == draw_sample(groups, n, seed=seed)


def test_a_stratified_sample_has_each_rarest_label():
    labels = [["a"]] * 50 + [["b"], ["c"]]
    for seed in range(5):
        assert {50, 51} <= draw_sample(range(52), 3, seed=seed, labels=labels)


@pytest.mark.parametrize("text", ["", "80", "80/", "a/b", "80/0/20", "-1/2", "1/2/3/4", "inf/1"])
def test_wrong_splits_are_refused(text):
    with pytest.raises(ValueError, match=r"expected shares of train/dev/test such as 80/10/10"):
        parse_split(text)
