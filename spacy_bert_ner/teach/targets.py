"""Teachers and examples → what the teachers believe of the tags, averaged."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ..decode.best_path import build_steps, find_best_path
from ..decode.marginals import sum_paths
from ..pipe.bert_ner import BertNer
from ..pipe.factory import require_doc_ents
from ..pipe.upstream import pipe_before, require_same_tokens
from ..tag.annotated import find_unknown_tags, list_possible_tags
from ..tag.gold import read_gold_tags
from ..tag.tag_set import TagSet, build_tag_set, path_to_spans
from ..tag.targets import Targets, write_targets
from ..tag.words import find_words

BATCH_SIZE = 256
TINY = 1e-12
SURE = 10.0
"""How far other tags are behind that of a teacher without probabilities, in nats."""


class Teacher:
    """A pipeline that finds entities: by a `bert_ner`, or in any other way.

    nlp (Language): The pipeline.
    name (str | None): Name of its `bert_ner`, which teaches probabilities; `None` for other
        pipelines, which teach the entities in `doc.ents`.
    labels (List[str]): The labels that it knows.
    scheme (str): The tag scheme of its `bert_ner`; IOB2 without one.
    """

    def __init__(self, nlp: Language, place: str) -> None:
        """Find what teaches.

        nlp (Language): The pipeline.
        place (str): Where it was loaded from, for errors.
        RAISES (ValueError): If it has several components of the kind `bert_ner`, or no label, or
            writes to a span group.
        """
        names = [name for name, pipe in nlp.pipeline if isinstance(pipe, BertNer)]
        if len(names) > 1:
            raise ValueError(
                f"{place} has the components {', '.join(names)}, expected one that finds entities. "
                "Load it with `exclude`, save it without the others, and teach with that."
            )
        require_doc_ents(nlp, "teachers teach")
        self.nlp = nlp
        self.name = names[0] if names else None
        # A tagger's labels are not those of entities.
        pipes = names or [p for p in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(p).assigns]
        self.labels = sorted({label for name in pipes for label in nlp.pipe_labels.get(name, [])})
        if not self.labels:
            raise ValueError(
                f"{place}: no component has labels of entities, expected one that sets `doc.ents`."
            )
        pipe: Any = nlp.get_pipe(self.name) if self.name else None
        self.scheme = pipe.scheme if pipe else "IOB2"

    def score(self, docs: Sequence[Doc], tag_set: TagSet) -> tuple[np.ndarray, np.ndarray]:
        """Score the tags of docs, and the steps between them.

        docs (Sequence[Doc]): Docs without annotation.
        tag_set (TagSet): The tags.
        RETURNS (Tuple[ndarray, ndarray]): Calibrated scores. Shapes: (n_words, n_tags),
            (n_tags + 1, n_tags + 1).
        RAISES (ValueError): If a component merges or splits tokens.
        """
        copies = [copy_words(doc, self.nlp.vocab) for doc in docs]
        if self.name is None:
            found = list(self.nlp.pipe(copies))
            require_same_tokens(docs, found)
            paths = [read_gold_tags(Example(d, d), find_words(d), tag_set) for d in found]
            is_found = np.concatenate(paths)[:, None] == np.arange(len(tag_set.tags))
            return np.where(is_found, 0.0, -SURE), build_steps(tag_set)
        pipe: Any = self.nlp.get_pipe(self.name)
        model, temperature = pipe.tag_model, pipe.temperatures.default
        seen = pipe_before(self.nlp, self.name, copies)
        require_same_tokens(docs, seen)
        _, scores = pipe.score_tags(seen)
        order = [model.tag_set.tags.index(tag) for tag in tag_set.tags]
        border = len(order)
        steps = model.steps[np.ix_([*order, border], [*order, border])]
        return scores[:, order] / temperature, steps / temperature


def copy_words(doc: Doc, vocab: Any) -> Doc:
    """Copy the words and blanks of a doc, without its annotation."""
    return Doc(
        vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
    )


def agree_on_tags(teachers: Sequence[Teacher]) -> TagSet:
    """Build the tags that all teachers know.

    teachers (Sequence[Teacher]): One or more.
    RETURNS (TagSet): The tags of their labels, sorted.
    RAISES (ValueError): If their labels or schemes differ.
    """
    kinds = {(*teacher.labels, teacher.scheme) for teacher in teachers}
    if len(kinds) > 1:
        found = " and ".join(f"{', '.join(labels)} ({scheme})" for *labels, scheme in sorted(kinds))
        raise ValueError(
            f"The teachers have different labels or tag schemes: {found}. Expected the same for "
            "all: their probabilities are averaged."
        )
    return build_tag_set(teachers[0].labels, scheme=teachers[0].scheme)


def teach(
    teachers: Sequence[Teacher],
    examples: Iterable[Example],
    tag_set: TagSet,
    *,
    gold_weight: float = 0.5,
    agreement: float = 0.0,
) -> Iterator[Doc]:
    """Write what the teachers believe into gold docs.

    The targets of a doc are the exact marginals of its tags and steps, averaged over the
    teachers. Where there is gold annotation, they are averaged with the marginals of the
    paths that fit it, which are 0 and 1 if everything was annotated.

    teachers (Sequence[Teacher]): The teachers.
    examples (Iterable[Example]): Docs with or without gold annotation; both docs of an
        example have the same words.
    tag_set (TagSet): The tags; see `agree_on_tags`.
    gold_weight (float): Weight of the gold annotation, from 0 to 1.
    agreement (float): Leave out docs without gold annotation for which a smaller share of
        the teachers finds exactly the entities that all find on average.
    YIELDS (Doc): New docs with targets; their entities are the gold ones, and those of the
        best reading where nothing was annotated.
    """
    known = (eg for eg in examples if len(find_words(eg.reference).tokens))
    for batch in minibatch(known, BATCH_SIZE):
        docs = [eg.reference for eg in batch]
        scored = [teacher.score(docs, tag_set) for teacher in teachers]
        end = 0
        for eg in batch:
            words = find_words(eg.reference)
            start, end = end, end + len(words.tokens)
            views = [TeacherView(X[start:end], T, words.is_start) for X, T in scored]
            gold = read_gold_tags(eg, words, tag_set)
            possible = list_possible_tags(gold, find_unknown_tags(eg, words, tag_set))
            targets = average_views(views, possible, gold_weight)
            log_probs = np.log(np.maximum(targets.tags, TINY))
            fitting = np.where(possible, log_probs, -np.inf)
            path = TeacherView(fitting, build_steps(tag_set), words.is_start).find_path()
            same = [np.array_equal(view.find_path(), path) for view in views]
            if not possible.all() or np.mean(same) >= agreement:
                doc = copy_words(eg.reference, eg.reference.vocab)
                spans = path_to_spans(path, words.tokens, tag_set)
                doc.set_ents([Span(doc, *span) for span in spans], default="outside")
                yield write_targets(doc, targets, tag_set)


class TeacherView(NamedTuple):
    """What one teacher says about one doc.

    scores (ndarray): Shape: (n_words, n_tags).
    steps (ndarray): Shape: (n_tags + 1, n_tags + 1).
    is_start (ndarray): Words that begin a sentence. Shape: (n_words,).
    """

    scores: np.ndarray
    steps: np.ndarray
    is_start: np.ndarray

    def find_path(self) -> np.ndarray:
        """RETURNS (ndarray): The best reading. Shape: (n_words,)."""
        return find_best_path(self.scores, self.is_start, self.steps)

    def sum_paths(self, possible: np.ndarray) -> Targets:
        """RETURNS (Targets): The marginals of the paths through some tags."""
        found = sum_paths(np.where(possible, self.scores, -np.inf), self.is_start, self.steps)
        return Targets(found.tags, found.steps)


def average_views(
    views: Sequence[TeacherView], possible: np.ndarray, gold_weight: float
) -> Targets:
    """Average what the teachers and the gold annotation say about one doc.

    views (Sequence[TeacherView]): What each teacher says.
    possible (ndarray): The tags that fit the gold annotation. Shape: (n_words, n_tags).
    gold_weight (float): Weight of the annotation, from 0 to 1.
    RETURNS (Targets): The average of their marginals.
    """
    weights = [(1 - gold_weight, np.ones_like(possible)), (gold_weight, possible)]
    if possible.all():
        weights = [(1.0, possible)]
    parts = [(weight, view.sum_paths(tags)) for view in views for weight, tags in weights if weight]
    return Targets(
        np.sum([weight * part.tags for weight, part in parts], axis=0) / len(views),
        np.sum([weight * part.steps for weight, part in parts], axis=0) / len(views),
    )
