"""DocBin files → examples, read once for a whole training."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spacy.errors import Errors
from spacy.language import Language
from spacy.training import Corpus, Example


def make_kept_corpus_v1(
    path: Path | None,
    gold_preproc: bool = False,
    max_length: int = 0,
    limit: int = 0,
    augmenter: Callable[[Language, Example], Iterable[Example]] | None = None,
) -> "KeptCorpus":
    """Make a corpus that is read from disk once, and not for each evaluation.

    Entry point: spacy-bert-ner.KeptCorpus.v1. Settings are those of spacy.Corpus.v1.

    path (Path | None): A file or folder of DocBins.
    gold_preproc (bool): Whether an example is a sentence in the corpus's own words.
    max_length (int): Longer docs are split into sentences; 0 for no limit.
    limit (int): Examples to read; 0 for all.
    augmenter (Callable | None): Changes examples; once, when they are read.
    RETURNS (KeptCorpus): The corpus.
    RAISES (ValueError): If there is no path.
    """
    if path is None:
        raise ValueError(Errors.E913)
    return KeptCorpus(
        Corpus(
            path,
            gold_preproc=gold_preproc,
            max_length=max_length,
            limit=limit,
            augmenter=augmenter,
        )
    )


class KeptCorpus:
    """Gives a pipeline the same examples each time, read the first time.

    spaCy copies the predicted docs of examples before it changes them.
    """

    def __init__(self, corpus: Corpus) -> None:
        """Keep nothing yet."""
        self.corpus = corpus
        self._nlp: Language | None = None
        self._examples: list[Example] = []

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Give the examples.

        nlp (Language): The pipeline; another one has the corpus read anew.
        YIELDS (Example): The examples.
        """
        if self._nlp is not nlp:
            self._examples = list(self.corpus(nlp))
            self._nlp = nlp
        yield from self._examples
