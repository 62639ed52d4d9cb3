"""Tag problems small enough to try all paths: shared by the tests of decoding."""

from itertools import product

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spacy_bert_ner.tag.tag_set import build_tag_set

TAG_SETS = [
    build_tag_set(["A", "B"]),
    build_tag_set(["A"], scheme="BILOU"),
    build_tag_set(["A", "B"], scheme="IO"),
    build_tag_set(["A", "B"], scheme="IOB1"),
]
SCHEMES = ["IOB2", "BILOU", "IO", "IOB1"]
# Of no problem there are more paths to try: five words of five tags.
MAX_PATHS = 5**5


def is_valid(path, is_start, tag_set):
    """Read the rules off the names of the tags, without the tables under test."""
    (scheme,) = (s for s, known in zip(SCHEMES, TAG_SETS, strict=True) if known is tag_set)
    names = [tag_set.tags[tag] for tag in path]
    for i, name in enumerate(names):
        before = "O" if is_start[i] else names[i - 1]
        after = "O" if i + 1 == len(names) or is_start[i + 1] else names[i + 1]
        label = name[2:]
        if name[0] in "IL" and before not in (f"B-{label}", f"I-{label}", f"S-{label}"):
            return False
        if scheme == "BILOU" and name[0] in "BI" and after not in (f"I-{label}", f"L-{label}"):
            return False
        # What cannot begin an entity right behind one of its own label.
        if name[0] == {"IO": "B", "IOB1": "S"}.get(scheme) and before[2:] == label:
            return False
    return True


def all_paths(is_start, tag_set):
    """Give every valid path."""
    paths = product(range(len(tag_set.tags)), repeat=len(is_start))
    return [list(path) for path in paths if is_valid(path, is_start, tag_set)]


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
        if name[0] in "BUS":
            spans.append([i, i, name[2:]])
        elif name[0] in "IL":
            spans[-1][1] = i
    return [tuple(span) for span in spans]


@st.composite
def problems(draw, *, learned=True):
    """Draw a tag set, scores, sentence starts and transitions."""
    tag_set = draw(st.sampled_from(TAG_SETS))
    n_tags = len(tag_set.tags)
    n_words = draw(st.integers(1, max(n for n in range(6) if n_tags**n <= MAX_PATHS)))
    # Few distinct values, so that ties and near misses are common.
    values = st.integers(-3, 3).map(float)
    scores = draw(npst.arrays(np.float32, (n_words, n_tags), elements=values))
    is_start = np.asarray(draw(st.lists(st.booleans(), min_size=n_words, max_size=n_words)))
    is_start[0] = True
    transitions = np.zeros((n_tags + 1, n_tags + 1))
    if learned:
        transitions = draw(npst.arrays(np.float64, transitions.shape, elements=values)) / 2
    return tag_set, scores, is_start, transitions


def assert_gradients(compute, arrays, gradients, pick):
    """Compare one cell of each gradient with the finite difference of a loss."""
    for array, gradient in zip(arrays, gradients, strict=True):
        cell = np.unravel_index(pick % array.size, array.shape)
        kept = array[cell]
        array[cell] = kept + 1e-5
        above = compute(*arrays)
        array[cell] = kept - 1e-5
        below = compute(*arrays)
        array[cell] = kept
        assert abs((above - below) / 2e-5 - gradient[cell]) < 1e-6
