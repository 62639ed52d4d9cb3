"""Tag problems small enough to try all paths: shared by the tests of decoding."""

from itertools import product

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spacy_bert_ner.decode import build_tag_set

TAG_SETS = [
    build_tag_set(["A", "B"]),
    build_tag_set(["A"], scheme="BILOU"),
]


def is_valid(path, is_start, tags):
    """Read the rules off the names of the tags, without the tables under test."""
    names = [tags[tag] for tag in path]
    is_bilou = any(tag.startswith("U-") for tag in tags)
    for i, name in enumerate(names):
        before = "O" if is_start[i] else names[i - 1]
        after = "O" if i + 1 == len(names) or is_start[i + 1] else names[i + 1]
        label = name[2:]
        if name[0] in "IL" and before not in (f"B-{label}", f"I-{label}"):
            return False
        if is_bilou and name[0] in "BI" and after not in (f"I-{label}", f"L-{label}"):
            return False
    return True


def all_paths(is_start, tags):
    """Give every valid path."""
    paths = product(range(len(tags)), repeat=len(is_start))
    return [list(path) for path in paths if is_valid(path, is_start, tags)]


def sum_scores(path, scores, is_start, transitions):
    """Add up a path's scores and steps, one by one."""
    total = 0.0
    for i, tag in enumerate(path):
        total += scores[i, tag]
        total += transitions[-1 if is_start[i] else path[i - 1], tag]
        if i + 1 == len(path) or is_start[i + 1]:
            total += transitions[tag, -1]
    return total


def read_spans(path, tags):
    """Read (first, last, label) off a valid path, from the names alone."""
    spans = []
    for i, tag in enumerate(path):
        name = tags[tag]
        if name[0] in "BU":
            spans.append([i, i, name[2:]])
        elif name[0] in "IL":
            spans[-1][1] = i
    return [tuple(span) for span in spans]


@st.composite
def problems(draw, *, learned=True):
    """Draw a tag set, scores, sentence starts and transitions."""
    tag_set = draw(st.sampled_from(TAG_SETS))
    n_words, n_tags = draw(st.integers(1, 5)), len(tag_set.tags)
    # Few distinct values, so that ties and near misses are common.
    values = st.integers(-3, 3).map(float)
    scores = draw(npst.arrays(np.float32, (n_words, n_tags), elements=values))
    is_start = np.asarray(draw(st.lists(st.booleans(), min_size=n_words, max_size=n_words)))
    is_start[0] = True
    transitions = np.zeros((n_tags + 1, n_tags + 1))
    if learned:
        transitions = draw(npst.arrays(np.float64, transitions.shape, elements=values)) / 2
    return tag_set, scores, is_start, transitions
