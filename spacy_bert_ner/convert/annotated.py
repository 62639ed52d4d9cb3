"""The labels that were annotated in a gold doc ↔ a span group.

`doc.spans["annotated_labels"]` has a span for each label and stretch of text in which the
entities of this label were annotated. Other labels are unknown there. In a doc without the
group, all labels were annotated.
"""

from collections.abc import Iterable, Sequence

from spacy.tokens import Doc, Span

ANNOTATED_KEY = "annotated_labels"


def mark_annotated(doc: Doc, labels: Iterable[str]) -> Doc:
    """Mark labels as the only ones that were annotated in a gold doc.

    doc (Doc): The gold doc; a group that it has already is replaced.
    labels (Iterable[str]): The labels.
    RETURNS (Doc): The doc.
    RAISES (ValueError): If the doc has an entity with another label.
    """
    labels = sorted(set(labels))
    check_annotated((ent.label_ for ent in doc.ents), labels, doc.text[:60])
    doc.spans[ANNOTATED_KEY] = [Span(doc, 0, len(doc), label) for label in labels if len(doc)]
    return doc


def check_annotated(found: Iterable[str], labels: Sequence[str], place: str) -> None:
    """Refuse entities with labels that count as not annotated.

    found (Iterable[str]): Labels of the entities.
    labels (Sequence[str]): The labels that were annotated.
    place (str): Where the entities are, for the error.
    RAISES (ValueError): Names the labels that are missing.
    """
    others = sorted(set(found) - set(labels))
    if others:
        raise ValueError(
            f"{place}: found entities of {', '.join(others)}, expected only those of the annotated "
            f"labels: {', '.join(labels)}. Add the others to the annotated labels, or rename them "
            "with a label map."
        )
