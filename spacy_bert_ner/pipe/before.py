"""Docs → docs as the components before another one give them."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc


def pipe_before(nlp: Language, name: str, docs: Iterable[Doc]) -> list[Doc]:
    """Run what stands before a component.

    nlp (Language): The pipeline; components that are disabled are not run.
    name (str): Name of the component, which is not run.
    docs (Iterable[Doc]): The docs; they are changed.
    RETURNS (List[Doc]): The docs.
    """
    before: list[Any] = [other for _, other in nlp.pipeline[: nlp.pipe_names.index(name)]]
    docs = list(docs)
    for other in before:
        # A component may be a plain function.
        is_pipe = hasattr(other, "pipe")
        docs = list(other.pipe(docs, batch_size=nlp.batch_size) if is_pipe else map(other, docs))
    return docs
