"""DocBin files → examples with their span groups, read once per training run."""

import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.training.corpus import walk_corpus
from spacy.vocab import Vocab
from thinc.api import Config

from ..convert.annotated import ANNOTATED_KEY, mark_annotated
from ..moves import recover_files

# What reading a damaged DocBin raises.
DAMAGES = (ValueError, KeyError, TypeError, IndexError, zlib.error)


def make_kept_corpus_v1(
    path: Path | None,
    gold_preproc: bool = False,
    max_length: int = 0,
    limit: int = 0,
    labels: list[str] | None = None,
    augmenter: Callable[[Language, Example], Iterable[Example]] | None = None,
) -> "KeptCorpus":
    """Make a corpus that is read from disk once, not at each evaluation.

    Entry point: spacy-bert-ner.KeptCorpus.v1. It has the settings of spacy.Corpus.v1, but
    sentences keep their part of `doc.spans`.

    path (Path | None): A DocBin file, or a folder of them.
    gold_preproc (bool): Whether to split docs into sentences and use the words of the
        corpus instead of the tokenizer's.
    max_length (int): Docs with fewer tokens stay whole; others are split into sentences, of
        which those that are not shorter are left out; 0 for no limit.
    limit (int): The number of docs to read; 0 for all.
    labels (Optional[List[str]]): The only labels that were annotated: others count as
        unknown, not as absent. By default, the docs say so themselves.
    augmenter (Callable | None): Changes the examples once, when they are read.
    RETURNS (KeptCorpus): The corpus.
    RAISES (ValueError): If `path` is null.
    """
    if path is None:
        raise ValueError(Errors.E913)
    return KeptCorpus(
        GroupCorpus(
            path,
            gold_preproc=gold_preproc,
            max_length=max_length,
            limit=limit,
            augmenter=augmenter,
            labels=labels,
        )
    )


class GroupCorpus(Corpus):
    """spaCy's DocBin reader, with span groups in sentences and errors that name the file."""

    def __init__(self, path: str | Path, *, labels: list[str] | None = None, **kwargs: Any) -> None:
        """Keep the settings; see `make_kept_corpus_v1`."""
        super().__init__(path, **kwargs)
        self.labels = labels

    def read_docbin(self, vocab: Vocab, locs: Iterable[str | Path]) -> Iterator[Doc]:
        """Read the docs that have tokens, at most `limit`.

        vocab (Vocab): The vocabulary of the docs.
        locs (Iterable[Path]): The files, as `walk_corpus` finds them.
        YIELDS (Doc): The docs.
        RAISES (FileNotFoundError): If a file is missing.
        RAISES (ValueError): If there is no file, or a file is damaged.
        """
        paths = [Path(loc) for loc in locs]
        if not paths or any(path.suffix != ".spacy" for path in paths):
            raise ValueError(
                f"{self.path}: expected a .spacy file, or a folder with .spacy files. Convert the "
                "data first, or correct the path."
            )
        docs = (doc for path in paths for doc in read_docs(path, vocab) if len(doc))
        for doc in islice(docs, self.limit or None):
            yield doc if self.labels is None else mark_annotated(doc, self.labels)

    def make_examples(self, nlp: Language, reference_docs: Iterable[Doc]) -> Iterator[Example]:
        """Tokenize docs; split those that are not shorter than `max_length` into sentences.

        nlp (Language): The pipeline, for its tokenizer.
        reference_docs (Iterable[Doc]): The gold docs.
        YIELDS (Example): Each doc or sentence. Warnings count what is left out.
        """
        return self._make_examples(nlp, reference_docs, self.max_length, gold_preproc=False)

    def make_examples_gold_preproc(
        self, nlp: Language, reference_docs: Iterable[Doc]
    ) -> Iterator[Example]:
        """Split docs into sentences.

        nlp (Language): The pipeline, for its vocabulary.
        reference_docs (Iterable[Doc]): The gold docs.
        YIELDS (Example): Each sentence in its own words, or a whole doc without sentences. A
            warning counts what is left out.
        """
        return self._make_examples(nlp, reference_docs, 0, gold_preproc=True)

    def _make_examples(
        self, nlp: Language, docs: Iterable[Doc], limit: int, *, gold_preproc: bool
    ) -> Iterator[Example]:
        cut: list[str] = []
        n_lost = 0
        for doc in docs:
            has_sents = doc.has_annotation("SENT_START")
            if not (has_sents if gold_preproc else 0 < limit <= len(doc)):
                yield self._make_example(nlp, doc, gold_preproc=gold_preproc)
                continue
            for sent in doc.sents if has_sents else [doc[:]]:
                if 0 < limit <= len(sent):
                    n_lost += len(sent)
                else:
                    yield self._make_example(nlp, copy_sentence(sent), gold_preproc=gold_preproc)
            cut += [span.text for span in find_cut(doc)] if has_sents else []
        setting = "gold_preproc" if gold_preproc else "max_length"
        lost = [f"{n_lost:,} tokens of sentences that are too long"] if n_lost else []
        if cut:
            shown = ", ".join(map(repr, cut[:5]))
            lost.append(f"{len(cut):,} gold entities across sentences, for example {shown}")
        for text in lost:
            warnings.warn(
                f"`{setting}` leaves out {text}, in {self.path}. Without it, docs are not split.",
                stacklevel=2,
            )


def find_cut(doc: Doc) -> list[Span]:
    """Find the gold entities of a doc that cross the end of a sentence.

    doc (Doc): The doc, with sentences.
    RETURNS (List[Span]): The entities, from `doc.ents` and all span groups.
    """
    groups = [doc.ents, *(group for key, group in doc.spans.items() if key != ANNOTATED_KEY)]
    spans = {(span.start, span.end, span.label): span for group in groups for span in group}
    return [span for span in spans.values() if span.end > span.sent.end]


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the docs of a DocBin file; what a killed `convert` left unfinished is finished.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the docs.
    YIELDS (Doc): The docs.
    RAISES (FileNotFoundError): If the file is missing.
    RAISES (ValueError): If the file is damaged or not a DocBin.
    """
    recover_files(path.parent)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file, expected a corpus. Convert the data first, or correct the path."
        )
    try:
        yield from DocBin().from_disk(path).get_docs(vocab)
    except DAMAGES as error:
        raise ValueError(
            f"{path}: cannot be read as a DocBin ({error}): the file is damaged, or has another "
            "format. Convert the data again."
        ) from error


@contextmanager
def named_damage(config: Config) -> Iterator[None]:
    """Name the damaged file if spaCy's own reader, which does not, fails in this context.

    config (Config): The config of a training run.
    RAISES (ValueError): The error of `read_docs` for the first file that is damaged.
    """
    try:
        yield
    except DAMAGES:
        for corpus in config.interpolate().get("corpora", {}).values():
            if str(corpus.get("@readers")).startswith("spacy.Corpus.") and corpus.get("path"):
                for path in walk_corpus(corpus["path"], ".spacy"):
                    for _ in read_docs(path, Vocab()):
                        pass
        raise


def copy_sentence(sent: Span) -> Doc:
    """Make a doc from a sentence, with its part of the span groups.

    sent (Span): The sentence.
    RETURNS (Doc): `sent.as_doc()` with all span groups; spans that extend beyond the
        sentence are left out, and those of the annotated labels are cut.
    """
    doc = sent.as_doc()
    for key, group in sent.doc.spans.items():
        spans = [(span, max(span.start, sent.start), min(span.end, sent.end)) for span in group]
        doc.spans[key] = [
            Span(
                doc,
                start - sent.start,
                end - sent.start,
                label=span.label,
                kb_id=span.kb_id,
                span_id=span.id,
            )
            for span, start, end in spans
            if start < end and (key == ANNOTATED_KEY or (start, end) == (span.start, span.end))
        ]
    return doc


class KeptCorpus:
    """Read examples once, and give a pipeline the same examples at each call.

    This is safe because spaCy copies predicted docs before it changes them.
    """

    def __init__(self, corpus: Corpus) -> None:
        """Start without examples; the first call reads them."""
        self.corpus = corpus
        self._nlp: Language | None = None
        self._examples: list[Example] = []

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples.

        nlp (Language): The pipeline; the corpus is read again for another pipeline.
        YIELDS (Example): The examples.
        """
        if self._nlp is not nlp:
            self._examples = list(self.corpus(nlp))
            self._nlp = nlp
        yield from self._examples
