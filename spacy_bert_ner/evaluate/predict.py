"""A pipeline and a corpus → lines with gold and found entities, and the time it took."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.corpus import walk_corpus

from ..corpus.docbin import GroupCorpus
from ..progress import ShowProgress, hide_progress
from .counts import Scores
from .lines import Line, example_to_line

N_TIMED = 50


class View(NamedTuple):
    """What a pipeline finds in a corpus, read as words or as raw text.

    lines (List[Line]): The entities, in the order of the corpus.
    spacy (Dict[str, Any]): spaCy's own scores of the same docs.
    seconds (float): Time in `nlp.pipe`; on raw text it includes the tokenizer.
    """

    lines: list[Line]
    spacy: Scores
    seconds: float

    @property
    def words_per_second(self) -> float | None:
        """RETURNS (Optional[float]): The speed of `nlp.pipe`."""
        n_words = sum(line.n_words for line in self.lines)
        return n_words / self.seconds if self.seconds else None


def read_examples(nlp: Language, path: Path, *, gold_words: bool) -> Iterator[tuple[int, Example]]:
    """Read a corpus, and number the docs that its examples come from.

    nlp (Language): The pipeline.
    path (Path): The `.spacy` file.
    gold_words (bool): Whether the pipeline gets the corpus's own words, sentence by
        sentence, as `spacy evaluate --gold-preproc` does, or the text.
    YIELDS (Tuple[int, Example]): Number of the gold doc, and the example.
    """
    corpus = GroupCorpus(path, gold_preproc=gold_words)
    make = corpus.make_examples_gold_preproc if gold_words else corpus.make_examples
    number = -1

    def count_docs() -> Iterator[Doc]:
        nonlocal number
        for reference in corpus.read_docbin(nlp.vocab, walk_corpus(path, ".spacy")):
            number += 1
            yield reference

    # One call for all docs, so that there is one warning; it takes each doc when it needs it.
    for eg in make(nlp, count_docs()):
        yield number, eg


def predict_view(
    nlp: Language, path: Path, *, gold_words: bool, progress: ShowProgress = hide_progress
) -> View:
    """Predict the entities of a corpus, and keep them next to the gold ones.

    nlp (Language): The pipeline.
    path (Path): The `.spacy` file.
    gold_words (bool): As in `read_examples`.
    progress (ShowProgress): Watches the docs; the measured time excludes it.
    RETURNS (View): The predictions.
    """
    numbered = list(read_examples(nlp, path, gold_words=gold_words))
    # For raw text, the measured time includes the tokenizer.
    docs = nlp.pipe(
        eg.predicted if gold_words or eg.reference.has_unknown_spaces else eg.reference.text
        for _, eg in numbered
    )
    lines: list[Line] = []
    seconds = 0.0

    def watch() -> Iterator[Example]:
        nonlocal seconds
        for number, eg in progress(numbered, text=f"Predicting {path.name}"):
            start = perf_counter()
            doc = next(docs)
            seconds += perf_counter() - start
            found = Example(doc, eg.reference)
            lines.append(example_to_line(found, number))
            yield found

    scores = get_ner_prf(watch())
    return View(lines, scores, seconds)


def measure_speed(nlp: Language, view: View) -> Scores:
    """Measure how fast a pipeline is on this machine.

    nlp (Language): The pipeline.
    view (View): Its predictions on raw text, and the time for them.
    RETURNS (Dict[str, Any]): "words_per_second" with `nlp.pipe`, texts in batches; and for
        `nlp(text)`, one text at a time, "ms_per_text" and "ms_per_text_p95" (median and
        95th percentile over "n_texts").
    """
    times = []
    for line in view.lines[:N_TIMED]:
        start = perf_counter()
        nlp(line.text)
        times.append(1000 * (perf_counter() - start))
    return {
        "words_per_second": view.words_per_second,
        "batch_size": nlp.batch_size,
        "ms_per_text": float(np.median(times)) if times else None,
        "ms_per_text_p95": float(np.percentile(times, 95)) if times else None,
        "n_texts": len(times),
    }


def make_blank_copy(doc: Doc) -> Doc:
    """Copy a doc's words and nothing else, so that it can be processed again."""
    words = [token.text for token in doc]
    return Doc(doc.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])
