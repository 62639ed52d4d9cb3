"""The reader `spacy-bert-ner.Corpus.v1`: files in any format → training examples."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from operator import attrgetter

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, dont_augment

from ..convert.annotated import mark_annotated
from ..convert.docs import doc_data_to_doc, sentences_to_doc_data
from ..convert.settings import Conversion
from ..convert.spacing import Spacer
from ..read.data_file import DataFile
from ..read.sentence import FormatError, Sentence

GROUPS = ("sentence", "document", "mixed")
"""What one example is made of."""

MOST_MIXED = 8
"""The most sentences of an example in mixed groups."""

Augmenter = Callable[[Language, Example], Iterable[Example]]


def make_corpus_reader_v1(
    path: str | None,
    group: str = "sentence",
    limit: int = 0,
    gold_preproc: bool = False,
    format: str | None = None,  # noqa: A002
    encoding: str | None = None,
    word_column: int = 1,
    tag_column: int = -1,
    spacing: str = "natural",
    label_map: dict[str, str] | None = None,
    labels: list[str] | None = None,
    seed: int = 0,
    augmenter: Augmenter | None = None,
) -> "CorpusReader":
    """Make a reader of training examples from a file in any supported format.

    Entry point: spacy-bert-ner.Corpus.v1.

    path (Optional[str]): A file or `file.zip:member`; `.spacy` files work too.
    group (str): What one example is: a `sentence`, a `document` (if the file marks
        documents), or `mixed` for one to eight successive sentences of a document. Mixed
        groups are drawn again at each call of the reader: once per training run, or in
        each epoch with `max_epochs = -1`.
    limit (int): The most examples to read; 0 for all.
    gold_preproc (bool): Whether the predicted doc has the words of the file instead of
        those of the pipeline's tokenizer.
    format (Optional[str]): One of `read.FORMATS`; by default, it is detected.
    encoding (Optional[str]): The encoding; by default UTF-8, then cp1252.
    word_column (int): The column of the word in a column file; 1 is the first, -1 the
        last.
    tag_column (int): The column of the tag, counted in the same way.
    spacing (str): `natural`, or `words` for a space between any two words.
    label_map (Optional[Dict[str, str]]): Label in the file → label to learn.
    labels (Optional[List[str]]): The only labels that were annotated, after `label_map`: others
        count as unknown, not as absent. By default, all labels were annotated.
    seed (int): The seed of the mixed groups.
    augmenter (Optional[Callable]): Makes further examples from each example.
    RETURNS (CorpusReader): The reader.
    RAISES (ValueError): If `path` is null, or `group` is not one of `GROUPS`.
    """
    if path is None:
        raise ValueError(
            "`path` of spacy-bert-ner.Corpus.v1 is null, expected a file. Write "
            "`path = ${paths.train}` (for dev, `${paths.dev}`) into its block of the config, and "
            "set `paths.train`."
        )
    if group not in GROUPS:
        raise ValueError(f'`group = "{group}"`, expected one of: {", ".join(GROUPS)}.')
    settings = Conversion(
        format=format,
        encoding=encoding,
        word_column=None if word_column == 1 else word_column,
        tag_column=None if tag_column == -1 else tag_column,
        spacing=spacing,
        label_map=label_map or {},
        annotated=labels or (),
        limit=limit,
        seed=seed,
    )
    return CorpusReader(
        path, settings, group=group, gold_preproc=gold_preproc, augmenter=augmenter or dont_augment
    )


class CorpusReader:
    """Read training examples from a file at each call.

    path (str): The file.
    settings (Conversion): How to read it; its language is the pipeline's.
    group (str): One of `GROUPS`.
    gold_preproc (bool): Whether the predicted doc has the words of the file.
    augmenter (Augmenter): Makes further examples from each example.
    """

    def __init__(
        self,
        path: str,
        settings: Conversion,
        *,
        group: str,
        gold_preproc: bool,
        augmenter: Augmenter,
    ) -> None:
        """Keep the settings; the first call opens the file."""
        self.path = path
        self.settings = settings
        self.group = group
        self.gold_preproc = gold_preproc
        self.augmenter = augmenter
        self._rng = random.Random(settings.seed)
        self._data: DataFile | None = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the examples.

        nlp (Language): The pipeline, for its vocabulary, language and tokenizer.
        YIELDS (Example): The examples, in file order.
        RAISES (FormatError): If the file cannot be read, or `group = "document"` and it
            marks no documents.
        RAISES (FileNotFoundError): If the file is missing.
        """
        lang = nlp.lang or self.settings.lang
        settings = replace(self.settings, lang=lang)
        spacer = Spacer(lang) if settings.spacing == "natural" else None
        if self._data is None:
            self._data = settings.open(self.path)
        groups = self._group(self._data)
        for sentences in islice(groups, settings.limit or None):
            data = sentences_to_doc_data(sentences, spacer=spacer, label_map=settings.label_map)
            reference = doc_data_to_doc(data, nlp.vocab)
            if settings.annotated:
                mark_annotated(reference, settings.annotated)
            predicted = nlp.make_doc(reference.text)
            if self.gold_preproc:
                predicted = Doc(nlp.vocab, words=data.words, spaces=data.spaces)
            yield from self.augmenter(nlp, Example(predicted, reference))

    def _group(self, data: DataFile) -> Iterator[list[Sentence]]:
        if self.group == "sentence":
            for sentence in data.sentences():
                yield [sentence]
            return
        has_documents = any(sentence.document for sentence in data.sentences())
        if self.group == "document" and not has_documents:
            raise FormatError(
                data.source.name,
                "no border between documents, expected -DOCSTART- lines. Set `group` to "
                '"sentence" or "mixed".',
            )
        for _, document in groupby(data.sentences(), key=attrgetter("document")):
            if self.group == "document":
                yield list(document)
            else:
                yield from self._mix(document)

    def _mix(self, document: Iterator[Sentence]) -> Iterator[list[Sentence]]:
        while run := list(islice(document, self._rng.randint(1, MOST_MIXED))):
            yield run
