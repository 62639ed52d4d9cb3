"""The pipeline component `bert_ner`: docs → tag scores → entities."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from spacy import attrs, util
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from .decode import Span, build_tag_set, find_best_path, path_to_spans

MISSING_TAG = -1

DEFAULT_MODEL = Config().from_str(
    """
    [model]
    @architectures = "spacy-bert-ner.TokenClassifier.v1"
    hidden = null
    dropout = 0.1

    [model.tok2vec]
    @architectures = "spacy-transformers.TransformerListener.v1"
    grad_factor = 1.0
    pooling = {"@layers": "reduce_mean.v1"}

    [model.features]
    @architectures = "spacy-bert-ner.WordShape.v1"
    width = 64
    """
)["model"]


@Language.factory(
    "bert_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "scorer": {"@scorers": "spacy-bert-ner.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_bert_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    scorer: Callable[..., dict[str, Any]] | None,
) -> "BertNer":
    """Make the component; the factory is named `bert_ner`.

    model (Model[List[Doc], List[Floats2d]]): One row of tag scores for each token,
        with a reference "tag_scores" to the layer whose `nO` is the number of tags.
    scorer (Callable | None): The scoring method.
    """
    return BertNer(nlp.vocab, model, name, scorer=scorer)


class Words(NamedTuple):
    """The words of a doc: its tokens that are not white space.

    tokens (ndarray): Their indices in the doc. Shape: (n_words,).
    is_start (ndarray): Whether no entity reaches the word from before: first in
        the doc, first in a sentence, first after a blank line. Shape: (n_words,).
    is_preset (ndarray): Whether an entity stands there already. Shape: (n_words,).
    """

    tokens: np.ndarray
    is_start: np.ndarray
    is_preset: np.ndarray


class BertNer(TrainablePipe):
    """Recognise entities by scoring the tags of each token.

    Among the tag paths that the IOB2 scheme allows, the best one is taken.
    White space gets no tag of its own: an entity may run across a line break,
    but not across a blank line or into the next sentence (where the doc has
    sentences). Entities that a doc already has are kept, as spaCy's `ner` does.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "ner",
        *,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        """Make a component without labels; see `make_bert_ner`."""
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": []}
        self._tag_set = build_tag_set([])

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order of the tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """What `spacy init labels` saves and `initialize` takes as `labels`."""
        return self.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of the columns of the scores."""
        return self._tag_set.tags

    def add_label(self, label: str) -> int:
        """Add a label before the component is initialized.

        label (str): The label.
        RETURNS (int): 0 if the label was there already, otherwise 1.
        RAISES (TypeError): If the label is not a string.
        RAISES (ValueError): If it is empty, or the model has its sizes already.
        """
        if not isinstance(label, str):
            raise TypeError(f"Label {label!r} is of type {type(label).__name__}, expected str.")
        if not label:
            raise ValueError("Found an empty label; a label needs at least one character.")
        if label in self.cfg["labels"]:
            return 0
        if self.model.get_ref("tag_scores").has_dim("nO"):
            raise ValueError(
                f"Can't add the label {label!r} to '{self.name}': it was initialized with the "
                f"labels {', '.join(self.labels)}, and its model has no room for another. Add "
                "labels before `nlp.initialize`, or initialize and train again."
            )
        self._set_labels([*self.cfg["labels"], label])
        return 1

    def _set_labels(self, labels: Sequence[str]) -> None:
        self.cfg["labels"] = list(labels)
        for label in labels:
            self.vocab.strings.add(label)
        self._tag_set = build_tag_set(labels)

    def predict(self, docs: Iterable[Doc]) -> list[list[Span]]:
        """Find the entities of some docs, without changing the docs.

        docs (Iterable[Doc]): The docs; empty ones are fine.
        RETURNS (List[List[Tuple[int, int, str]]]): For each doc its new spans as
            (start, end, label) in tokens, end exclusive.
        """
        docs = list(docs)
        words = [find_words(doc) for doc in docs]
        if not any(len(w.tokens) for w in words):
            return [[] for _ in docs]
        self._require_model()
        doc_scores = self.model.predict(docs)
        scores = self.model.ops.to_numpy(self.model.ops.xp.concatenate(doc_scores))
        offsets = np.cumsum([0, *(len(doc) for doc in docs)])
        rows = np.concatenate([w.tokens + start for w, start in zip(words, offsets, strict=False)])
        scores = scores[rows]
        # Nothing but "O" where an entity stands already. Column 0 is "O".
        scores[np.concatenate([w.is_preset for w in words]), 1:] = -np.inf
        path = find_best_path(scores, np.concatenate([w.is_start for w in words]), self._tag_set)
        paths = np.split(path, np.cumsum([len(w.tokens) for w in words])[:-1])
        return [
            path_to_spans(p, w.tokens, self._tag_set) for p, w in zip(paths, words, strict=True)
        ]

    def set_annotations(self, docs: Iterable[Doc], spans: list[list[Span]]) -> None:
        """Write entities to docs; those that stand there already are kept.

        docs (Iterable[Doc]): The docs.
        spans (List[List[Tuple[int, int, str]]]): What `predict` gave for them.
        """
        for doc, doc_spans in zip(docs, spans, strict=True):
            ents = [DocSpan(doc, start, end, label=label) for start, end, label in doc_spans]
            iob = doc.to_array(attrs.ENT_IOB)
            if not iob.any():
                doc.set_ents(ents, default="outside")
            else:
                doc.set_ents(ents, default="unmodified")
                # What nobody has tagged is outside now.
                missing = np.flatnonzero(doc.to_array(attrs.ENT_IOB) == 0).tolist()
                doc.set_ents([], outside=[doc[i : i + 1] for i in missing], default="unmodified")

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The batch. Tokens whose gold tag is missing,
            or does not fit the predicted doc's tokens, count neither way.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer; without one, gradients accumulate.
        losses (Dict[str, float] | None): Where the loss is added up, by name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BertNer.update")
        if not any(len(eg.predicted) for eg in examples):
            return losses
        self._require_model()
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([eg.predicted for eg in examples])
        loss, d_scores = self.get_loss(examples, scores)
        backprop(d_scores)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Compute the mean cross-entropy of the gold tags, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (List[Floats2d]): Tag scores. Shapes: (n_tokens, n_tags).
        RETURNS (Tuple[float, List[Floats2d]]): The loss for each tagged token, in
            nats, and d_scores in the shapes of the scores.
        RAISES (ValueError): If the loss is not a finite number.
        """
        xp = self.model.ops.xp
        gold = xp.asarray(np.concatenate([self._read_gold_tags(eg) for eg in examples]))
        X = xp.concatenate(scores)
        rows = xp.flatnonzero(gold != MISSING_TAG)
        log_sums = xp.log(xp.exp(X - X.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
        log_probs = X - X.max(axis=1, keepdims=True) - log_sums
        dX = xp.zeros_like(X)
        loss = 0.0
        if len(rows):
            dX[rows] = xp.exp(log_probs[rows])
            dX[rows, gold[rows]] -= 1.0
            dX /= len(rows)
            loss = -float(log_probs[rows, gold[rows]].mean())
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss of '{self.name}' is {loss}, expected a finite number. Lower the "
                "learning rate, or train without mixed precision."
            )
        ends = np.cumsum([len(doc_scores) for doc_scores in scores])[:-1]
        return loss, xp.split(dX, ends.tolist())

    def _read_gold_tags(self, eg: Example) -> np.ndarray:
        """Number the gold tags of an example's tokens. Shape: (n_tokens,)."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        gold = np.full(len(eg.predicted), MISSING_TAG, dtype=np.int64)
        biluo = eg.get_aligned_ner()
        is_open = False
        for i, token in enumerate(eg.predicted):
            tag = biluo[i]
            if token.is_space:
                is_open = is_open and tag is not None and tag[0] in "BI"
                continue
            if tag in (None, "-"):
                is_open = False
                continue
            if tag != "O":
                prefix = "I-" if is_open and tag[0] in "IL" else "B-"
                gold[i] = number.get(prefix + tag[2:], MISSING_TAG)
            else:
                gold[i] = number["O"]
            is_open = tag[0] in "BI"
        return gold

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Set the labels and the sizes of the model, from examples or as given.

        Labels added before stay; the weights of the head are made anew.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Language | None): The pipeline.
        labels (Sequence[str] | None): Labels as `label_data` gives them; `None` to
            collect them from all examples.
        RAISES (ValueError): If there are no labels.
        """
        validate_get_examples(get_examples, "BertNer.initialize")
        util.check_lexeme_norms(self.vocab, "bert_ner")
        if labels is None:
            labels = collect_labels(get_examples(), self.name)
        labels = list(dict.fromkeys([*self.cfg["labels"], *labels]))
        if not labels:
            raise ValueError(
                f"Found no entity in the training examples of '{self.name}', expected at least "
                "one. Check that the corpus was converted with its tags (`spacy debug data`), "
                "or give the labels."
            )
        self._set_labels(labels)
        sample = [eg.predicted for eg in islice(get_examples(), 10)]
        no_scores = self.model.ops.alloc2f(1, len(self.tags))
        self.model.initialize(X=sample, Y=[no_scores] * len(sample))

    def _require_model(self) -> None:
        if not self.model.get_ref("tag_scores").has_dim("nO"):
            raise ValueError(
                f"'{self.name}' has no weights yet. Train the pipeline with `spacy train`, "
                "load a trained one, or call `nlp.initialize` with examples."
            )

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "BertNer":
        """Load the component from bytes; see `TrainablePipe.from_bytes`."""
        super().from_bytes(data, exclude=tuple(exclude))
        self._set_labels(self.cfg["labels"])
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "BertNer":
        """Load the component from a folder; see `TrainablePipe.from_disk`."""
        super().from_disk(path, exclude=tuple(exclude))
        self._set_labels(self.cfg["labels"])
        return self


def find_words(doc: Doc) -> Words:
    """Find the words of a doc and where entities may reach them.

    doc (Doc): The doc.
    RETURNS (Words): Its tokens that are not white space.
    """
    # Shape: (n_tokens, 4)
    array = doc.to_array([attrs.IS_SPACE, attrs.SENT_START, attrs.ENT_IOB, attrs.ENT_TYPE])
    is_space = array[:, 0] == 1
    is_start = array[:, 1] == 1
    is_start[:1] = True
    for i in np.flatnonzero(is_space).tolist():
        # Borders on white space pass on to the next word; so do blank lines.
        if i + 1 < len(doc):
            is_start[i + 1] |= is_start[i] or doc[i].text.count("\n") > 1
    tokens = np.flatnonzero(~is_space)
    is_preset = (array[:, 2] == 1) | (array[:, 2] == 3)
    return Words(tokens, is_start[tokens], is_preset[tokens])


def collect_labels(examples: Iterable[Example], name: str) -> list[str]:
    """Collect the labels of the gold entities, and say which entities are lost.

    An entity is lost for training when its borders fall inside the tokens of
    the predicted doc; they are counted and reported in one warning.

    examples (Iterable[Example]): All training examples.
    name (str): Name of the component, for the warning.
    RETURNS (List[str]): The labels, sorted.
    """
    labels: set[str] = set()
    n_ents = 0
    lost: list[str] = []
    for eg in examples:
        labels.update(ent.label_ for ent in eg.reference.ents)
        n_ents += len(eg.reference.ents)
        lost += find_misaligned(eg)
    if lost:
        shown = ", ".join(repr(text) for text in lost[:5])
        warnings.warn(
            f"{len(lost)} of {n_ents} gold entities do not fit the tokens that '{name}' is "
            f"trained on and count as missing, for example {shown}. Train on the corpus's own "
            "words (`gold_preproc = true`), or change the tokenizer.",
            stacklevel=2,
        )
    return sorted(labels)


def find_misaligned(eg: Example) -> Iterator[str]:
    """Give the texts of gold entities that do not fit the predicted tokens.

    eg (Example): The example.
    YIELDS (str): The text of each such entity.
    """
    ents = eg.reference.ents
    aligned = eg.get_aligned_spans_y2x(ents) if ents else ()
    kept = {(ent.start_char, ent.end_char) for ent in aligned}
    yield from (ent.text for ent in ents if (ent.start_char, ent.end_char) not in kept)
