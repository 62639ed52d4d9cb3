"""The labels of a corpus → a trained `bert_ner` that can learn them."""

from collections.abc import Callable, Iterable

from spacy.language import Language
from spacy.training import Example

from ..tag.gold import collect_labels
from .bert_ner import BertNer


def make_add_labels_v1(
    corpus: Callable[[Language], Iterable[Example]],
) -> Callable[[Language], None]:
    """Create a callback that adds a corpus's labels to every `bert_ner` with `source`.

    Entry point: spacy-bert-ner.add_labels.v1, for `initialize.before_init`.
    `spacy train` does not initialize components that it sources from another pipeline,
    so they don't get new labels. Existing labels keep their weights. The callback does
    not change `frozen_components`.

    corpus (Callable[[Language], Iterable[Example]]): Reads the training corpus.
    RETURNS (Callable[[Language], None]): The callback; it changes the pipeline.
    """

    def add_labels(nlp: Language) -> None:
        frozen = nlp.config.interpolate()["training"].get("frozen_components") or []
        for name, pipe in nlp.components:
            if isinstance(pipe, BertNer) and pipe.is_initialized and name not in frozen:
                for label in collect_labels(corpus(nlp), name, spans_key=pipe.spans_key):
                    pipe.add_label(label)

    return add_labels
