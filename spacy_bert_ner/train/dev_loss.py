"""Dev examples → the loss and token accuracy of the entity recogniser."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Token
from spacy.training import Example
from spacy.util import minibatch, resolve_dot_names

from ..pipe.factory import BertNer
from ..pipe.upstream import pipe_before


def read_dev(nlp: Language, n_examples: int) -> list[Example]:
    """Read the first dev examples.

    nlp (Language): The pipeline, with the corpus in its config.
    n_examples (int): The number of examples to read.
    RETURNS (List[Example]): The examples; all of them if there are fewer.
    """
    config = nlp.config.interpolate()
    (corpus,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    return list(islice(corpus(nlp), n_examples))


def measure_dev(nlp: Language, examples: Sequence[Example]) -> dict[str, float]:
    """Measure dev loss and token accuracy, which spaCy's evaluation does not.

    nlp (Language): The pipeline.
    examples (Sequence[Example]): Dev examples; they are not changed.
    RETURNS (Dict[str, float]): "dev_loss" (the training loss per tagged token, in nats)
        and "token_acc" (the share of tagged tokens with the correct tag); empty if no
        `bert_ner` writes `doc.ents`, or if there is no tagged token.
    """
    components: list[tuple[str, Any]] = [
        (name, proc)
        for name, proc in nlp.pipeline
        if isinstance(proc, BertNer) and proc.spans_key is None
    ]
    if not components:
        return {}
    name, ner = components[0]
    loss, n_tokens, n_right = 0.0, 0, 0
    for batch in minibatch(examples, nlp.batch_size):
        docs = pipe_before(nlp, name, [_copy_doc(eg.predicted) for eg in batch])
        copies = [Example(doc, eg.reference) for doc, eg in zip(docs, batch, strict=True)]
        batch_loss, _ = ner.get_loss(copies, ner.model.predict(docs))
        ner.set_annotations(docs, ner.predict(docs))
        n_batch, n_batch_right = 0, 0
        for eg in copies:
            for token, gold in zip(eg.predicted, eg.get_aligned_ner(), strict=True):
                if gold not in (None, "-") and not token.is_space:
                    n_batch += 1
                    n_batch_right += _read_tag(token) == _biluo_to_iob(gold)
        # The loss of a batch is the mean over its tokens.
        loss += batch_loss * n_batch
        n_tokens += n_batch
        n_right += n_batch_right
    if not n_tokens:
        return {}
    return {"dev_loss": loss / n_tokens, "token_acc": n_right / n_tokens}


def _copy_doc(doc: Doc) -> Doc:
    words = [token.text for token in doc]
    return Doc(doc.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])


def _read_tag(token: Token) -> str:
    return f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"


def _biluo_to_iob(tag: str) -> str:
    return {"U": "B", "L": "I"}.get(tag[0], tag[0]) + tag[1:]
