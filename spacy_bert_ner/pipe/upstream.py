"""The transformer that a component listens to → an error if it is missing or has not run."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..encode.trf_data import get_trf_data

# Suffixes of the names of layers that read `doc._.trf_data`: spaCy's, ours, and those of
# models saved by version 0.1.0.
LISTENERS = ("transformer-listener", "token-listener", "piece-listener")


def find_listeners(model: Model) -> list[Any]:
    """Find the layers of a model that listen to a transformer."""
    return [node for node in model.walk() if node.name.endswith(LISTENERS)]


def require_transformer(nlp: Language, name: str, model: Model) -> None:
    """Check that the transformer that a model listens to is in the pipeline.

    nlp (Language): The pipeline; disabled components count.
    name (str): Name of the component whose model it is, for messages.
    model (Model): The model.
    RAISES (ValueError): If no transformer is before the component, or the model doesn't
        listen to the last one alone.
    """
    before = takewhile(lambda pair: getattr(pair[1], "model", None) is not model, nlp.components)
    listeners = {
        other: proc.listeners for other, proc in nlp.components if hasattr(proc, "listeners")
    }
    writers = [other for other, _ in before if "doc._.trf_data" in nlp.get_pipe_meta(other).assigns]
    last = [other for other in writers if other in listeners][-1:]
    for node in find_listeners(model):
        linked = [other for other, nodes in listeners.items() if any(n is node for n in nodes)]
        if not linked:
            upstream = "" if node.upstream_name == "*" else f" '{node.upstream_name}'"
            raise ValueError(
                f"'{name}' reads the vectors of a transformer{upstream}, but none comes before it "
                f"in the pipeline {nlp.pipe_names}. Add one: `nlp.add_pipe('transformer', "
                "first=True, config=…)`, or set another `tok2vec` for the component's model."
            )
        if linked != last:
            raise ValueError(
                f"'{name}' listens to {' and '.join(map(repr, linked))}, but docs keep only the "
                f"vectors of the last transformer before it, {last[0]!r}. Set "
                f"`upstream = \"{last[0]}\"` in the component's listener, or add '{name}' directly "
                "after the transformer that it reads."
            )
        transformer: Any = nlp.get_pipe(last[0])
        if transformer.model.has_dim("nO") is None:
            raise ValueError(
                f"The transformer '{last[0]}', whose vectors '{name}' reads, has no weights yet, "
                "because it is disabled or frozen while the pipeline is initialized. Freeze a "
                "component only if it has a `source`. To keep an encoder's weights as they are, "
                'set `freeze = "all"` in the model of the transformer.'
            )


def require_vectors(docs: Iterable[Doc], name: str, model: Model) -> None:
    """Check that docs have the vectors that a model listens for.

    docs (Iterable[Doc]): The docs; empty ones need none.
    name (str): Name of the component whose model it is, for messages.
    model (Model): The model.
    RAISES (ValueError): If the transformer has not seen a doc, a `doc_cleaner` has
        removed its vectors, or the doc has got other tokens since.
    """
    if not find_listeners(model):
        return
    filled = [(doc, get_trf_data(doc)) for doc in docs if len(doc)]
    changed = [doc for doc, data in filled if data and len(data.align.lengths) != len(doc)]
    if changed:
        raise ValueError(
            f"Found other tokens in {len(changed)} of {len(filled)} docs than the transformer has "
            f"read, the first of which begins with {changed[0].text[:60]!r}. A component between "
            f"the transformer and '{name}' merges or splits tokens: add it before the transformer "
            f"or after '{name}'."
        )
    if any(data is None for _, data in filled):
        raise ValueError(
            f"A doc has no transformer vectors, which '{name}' reads. If the transformer is "
            "disabled or not in the pipeline, enable or add it. If the component is one of "
            "`annotating_components`, name the transformer there too. To call it by itself, "
            f"process the doc first in `with nlp.select_pipes(disable=['{name}', 'doc_cleaner'])`, "
            "so that the transformer writes them and the cleaner does not remove them."
        )


def pipe_before(nlp: Language, name: str, docs: Iterable[Doc]) -> list[Doc]:
    """Run the components before another one.

    nlp (Language): The pipeline; disabled components are not run.
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


def require_same_tokens(docs: Sequence[Doc], seen: Sequence[Doc]) -> None:
    """Check that a pipeline has kept the tokens of docs that are compared word by word.

    docs (Sequence[Doc]): The docs.
    seen (Sequence[Doc]): Copies of them after some components.
    RAISES (ValueError): If a component has merged or split tokens.
    """
    n_changed = sum(len(doc) != len(copy) for doc, copy in zip(docs, seen, strict=True))
    if n_changed:
        raise ValueError(
            f"A component of the pipeline merges or splits tokens in {n_changed} of {len(docs)} "
            "docs, so they cannot be compared word by word. Save a copy of the pipeline without "
            "it: spacy.load(MODEL, exclude=[NAME]).to_disk(…)."
        )
