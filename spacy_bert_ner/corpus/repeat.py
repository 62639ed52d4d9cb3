"""An example → the same one, several times if it has a rare label: an augmenter."""

import warnings
from collections.abc import Callable, Iterator, Mapping

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..convert.annotated import ANNOTATED_KEY
from ..ranges import check_range


def make_repeat_labels_v1(
    times: Mapping[str, int],
) -> Callable[[Language, Example], Iterator[Example]]:
    """Make an augmenter that shows examples with rare labels several times in each epoch.

    Entry point: spacy-bert-ner.repeat_labels.v1. Use it in `[corpora.train.augmenter]`, never
    for dev. Examples with several of the labels follow the largest number. A warning names the
    labels that the pipeline does not have.

    times (Mapping[str, int]): How often an example with an entity of a label is shown.
    RETURNS (Callable): The augmenter.
    RAISES (ValueError): If a number is less than 1.
    """
    for label, n in times.items():
        check_range(f"times.{label}", n, 1)

    is_checked = False

    def repeat(nlp: Language, example: Example) -> Iterator[Example]:
        nonlocal is_checked
        is_checked = is_checked or check_repeated(nlp, times)
        yield example
        n = max((times.get(label, 1) for label in _find_labels(example.reference)), default=1)
        for _ in range(n - 1):
            yield Example(example.predicted.copy(), example.reference)

    return repeat


def check_repeated(nlp: Language, times: Mapping[str, int]) -> bool:
    """Warn of labels to repeat that no component of a pipeline has.

    nlp (Language): The pipeline.
    times (Mapping[str, int]): The settings.
    RETURNS (bool): False if the pipeline does not know its labels yet.
    """
    known = {label for labels in nlp.pipe_labels.values() for label in labels}
    if not known or not all(getattr(proc, "is_initialized", True) for _, proc in nlp.pipeline):
        return False
    unknown = sorted(times.keys() - known)
    if unknown:
        warnings.warn(
            f"`times` of spacy-bert-ner.repeat_labels.v1 has {', '.join(map(repr, unknown))}, "
            f"expected labels of the pipeline: {', '.join(sorted(known))}. What is not one of them "
            "has no effect.",
            stacklevel=2,
        )
    return True


def _find_labels(doc: Doc) -> set[str]:
    groups = [spans for key, spans in doc.spans.items() if key != ANNOTATED_KEY]
    return {span.label_ for spans in [doc.ents, *groups] for span in spans}
