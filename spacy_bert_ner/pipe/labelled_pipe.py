"""The labels, tags and settings of a `bert_ner` ↔ its saved state, with checks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..decode.annotate import register_extensions
from ..decode.entities import TagModel, Temperatures
from ..tag.loss import TagLoss
from ..tag.sizes import add_tags, set_size
from ..tag.tag_set import build_tag_set
from ..tag.token_classifier import set_steps


class LabelledPipe(TrainablePipe):
    """A trainable pipe with labels, their tags, and a model that scores the tags."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "ner",
        *,
        loss: TagLoss = TagLoss(),  # noqa: B008 - it is a tuple
        scheme: str = "IOB2",
        spans_key: str | None = None,
        threshold: float | dict[str, float] = 0.0,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        """Create a component without labels; see `make_bert_ner`."""
        self.vocab = vocab
        self.model = model
        self.name = name
        self.loss = loss
        self.scheme = scheme
        self.spans_key = spans_key
        self.threshold = threshold
        self.scorer = scorer
        self.cfg: dict[str, Any] = {
            "labels": [],
            "tag_weights": None,
            "temperature": 1.0,
            "label_temperatures": {},
        }
        self._tag_set = build_tag_set([], scheme=scheme)
        if self.has_transitions and loss != TagLoss():
            raise ValueError(
                f"The loss of '{name}' has settings for individual tags ({loss}), but its decoder "
                'learns whole paths. Set decoder = "valid" in its model block, or remove the '
                "settings of the loss."
            )
        register_extensions()

    @property
    def threshold(self) -> float | dict[str, float]:
        """Minimum probability of an entity, for all labels or for each label.

        It comes from the config, and only the config is saved: a value set here applies
        to this object and its pickles, but `to_disk` and `to_bytes` leave it out. To
        save it, also set it in the config:
        `nlp.get_pipe_config("ner")["threshold"] = 0.5`.

        RAISES (ValueError): If it is set to anything but numbers from 0 to 1.
        """
        return self._threshold

    @threshold.setter
    def threshold(self, given: float | dict[str, float]) -> None:
        values = given.values() if isinstance(given, dict) else [given]
        if not all(is_probability(value) for value in values):
            raise ValueError(
                f"threshold of '{self.name}' is {given!r}, expected a number from 0 to 1, or one "
                'for each label, such as {"PER": 0.8}.'
            )
        self._threshold = given

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order of the tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """The labels in the form that `spacy init labels` saves and `initialize` accepts."""
        return self.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of the columns of the scores."""
        return self._tag_set.tags

    @property
    def is_initialized(self) -> bool:
        """Whether the model has its sizes and weights."""
        return bool(self.model.get_ref("tag_scores").has_dim("nO"))

    @property
    def has_transitions(self) -> bool:
        """Whether the decoder has learned steps from tag to tag."""
        return "transitions" in self.model.ref_names

    @property
    def tag_model(self) -> TagModel:
        """The tags, their rules and learned steps."""
        if not self.has_transitions:
            return TagModel(self._tag_set)
        weights = self.model.get_ref("transitions").get_param("T")
        return TagModel(self._tag_set, self.model.ops.to_numpy(weights))

    @property
    def temperatures(self) -> Temperatures:
        """Divisors that turn tag scores into calibrated probabilities."""
        return Temperatures(self.cfg["temperature"], self.cfg["label_temperatures"])

    def add_label(self, label: str) -> int:
        """Add a label, before or after the component is initialized.

        A trained head keeps the weights of its tags; those of the new label start at 0.
        Add labels before you create an optimizer: after its first step, it holds arrays
        of the old size.

        label (str): The label.
        RETURNS (int): 0 if the label was there already, otherwise 1.
        RAISES (TypeError): If the label is not a string.
        RAISES (ValueError): If it is empty, or if the initialized layer "tag_scores" is
            not from this package.
        """
        check_label_list([label])
        if label in self.cfg["labels"]:
            return 0
        n_tags = len(self.tags)
        if self.is_initialized and not self.model.get_ref("tag_scores").shims:
            raise ValueError(
                f"Can't add the label {label!r} to '{self.name}': its layer \"tag_scores\" has a "
                "fixed size. Add labels before `nlp.initialize`."
            )
        self._set_labels([*self.cfg["labels"], label])
        n_new = len(self.tags) - n_tags
        if self.is_initialized:
            add_tags(self.model, n_new)
        if self.cfg["tag_weights"] is not None:
            self.cfg["tag_weights"] += [1.0] * n_new
        return 1

    def _set_labels(self, labels: Sequence[str]) -> None:
        self.cfg["labels"] = list(labels)
        for label in labels:
            self.vocab.strings.add(label)
        self._tag_set = build_tag_set(labels, scheme=self.scheme)

    def _require_model(self) -> None:
        if not self.is_initialized:
            raise ValueError(
                f"'{self.name}' has no weights yet. Train the pipeline with `spacy train`, "
                "load a trained one, or call `nlp.initialize` with examples."
            )

    def _check_threshold(self) -> None:
        given = self.threshold if isinstance(self.threshold, dict) else {}
        unknown = sorted(given.keys() - set(self.labels))
        if unknown:
            raise ValueError(
                f"threshold of '{self.name}' names {', '.join(unknown)}, expected labels of the "
                f"model: {', '.join(self.labels)}."
            )

    def __setstate__(self, state: Any) -> None:
        """Unpickle the component, and register the extensions, which a new process lacks."""
        super().__setstate__(state)
        register_extensions()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component from bytes; see `TrainablePipe.from_bytes`."""
        exclude = self._prepare_loading(exclude)
        super().from_bytes(data, exclude=exclude)
        return self._after_loading()

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "LabelledPipe":
        """Load the component from a folder; see `TrainablePipe.from_disk`."""
        exclude = self._prepare_loading(exclude)
        super().from_disk(path, exclude=exclude)
        return self._after_loading()

    def _prepare_loading(self, exclude: Iterable[str]) -> tuple[str, ...]:
        exclude = tuple(exclude)
        if "model" not in exclude:
            # The weights may be those of other labels.
            set_size(self.model, None)
        return exclude

    def _after_loading(self) -> "LabelledPipe":
        self._set_labels(self.cfg["labels"])
        self._check_threshold()
        if self.has_transitions and self.is_initialized:
            # Their gradient has the size of the weights that they replace.
            transitions: Any = self.model.get_ref("transitions")
            set_steps(transitions, transitions.get_param("T"))
        n_scores = self.model.get_ref("tag_scores").maybe_get_dim("nO")
        if n_scores not in (None, len(self.tags)):
            raise ValueError(
                f"The weights of '{self.name}' score {n_scores} tags, but the scheme {self.scheme} "
                f"of the config has {len(self.tags)} for its labels. Set `scheme` to the one that "
                "it was trained with."
            )
        return self


def check_label_list(labels: object) -> None:
    """Refuse what is not a sequence of labels.

    RAISES (TypeError): If it is no sequence, or one of the labels is not a string.
    RAISES (ValueError): If a label is empty.
    """
    if isinstance(labels, str | Mapping) or not isinstance(labels, Iterable):
        raise TypeError(
            f"Labels {labels!r} are of type {type(labels).__name__}, expected a list, such as "
            '["LOC", "PER"]. `spacy init labels` writes it for a `bert_ner`.'
        )
    for label in labels:
        if not isinstance(label, str):
            raise TypeError(f"Label {label!r} is of type {type(label).__name__}, expected str.")
        if not label:
            raise ValueError("Found an empty label; a label needs at least one character.")


def is_probability(value: object) -> bool:
    """Whether a value is a number from 0 to 1, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= 1
