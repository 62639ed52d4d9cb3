"""One part of a job → its output file and its receipt: the core that knows no engine."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..machine import check_gpu
from ..manifest import load_checked
from ..pipe.bert_ner import BertNer
from .job import Job, Part
from .places import OutputFolder
from .records import BadRecord, Range, RecordReader, TextRecord
from .writers import OUTPUT_FORMATS, open_part_writer

_MOST_CHARS = 2_000_000  # texts that are in memory at once
_MOST_NEW_WORDS = 20_000  # that a vocabulary may learn before it forgets them


class Receipt(NamedTuple):
    """What became of a part; its file exists only if the part is done.

    number (int): Number of the part.
    n_records (int): Labelled records.
    n_words (int): Their tokens.
    entities (Dict[str, int]): Label → number of entities.
    errors (List[BadRecord]): The other records.
    """

    number: int
    n_records: int
    n_words: int
    entities: dict[str, int]
    errors: list[BadRecord]


class Count(NamedTuple):
    """How many records, words and errors a part has so far."""

    records: int
    words: int
    errors: int


Event = Receipt | tuple[int, Count]
"""A part is done; or its number and how far it is."""


def name_part(number: int, to: str) -> str:
    """RETURNS (str): The name of a part's file in the output folder."""
    return f"parts/part-{number:06d}{OUTPUT_FORMATS[to]}"


def name_receipt(number: int) -> str:
    """RETURNS (str): The name of a part's receipt in the output folder."""
    return f"receipts/part-{number:06d}.json"


def encode_receipt(receipt: Receipt) -> str:
    """RETURNS (str): A receipt as text."""
    return json.dumps(receipt._asdict())


def decode_receipt(text: str | bytes) -> Receipt:
    """RETURNS (Receipt): The receipt: the inverse of `encode_receipt`."""
    found = json.loads(text)
    errors = [BadRecord(name, why, Range(*place)) for name, why, place in found["errors"]]
    return Receipt(**{**found, "errors": errors})


def read_receipt(folder: OutputFolder, number: int) -> Receipt | None:
    """RETURNS (Receipt | None): The receipt of a part; `None` if the part is not done."""
    data = folder.read(name_receipt(number))
    return None if data is None else decode_receipt(data)


class Labeller:
    """A pipeline that adds entities to texts, and gives the reason where it fails.

    model (str): Folder or package of the pipeline.
    threshold (float | None): Minimum probability of an entity; `None` for the model's own.
    gpu_id (int): Number of the GPU; -1 for the CPU.
    RAISES (ValueError): If the threshold has no `bert_ner` to apply to, or the model or
        the GPU cannot be used.
    """

    def __init__(self, model: str, *, threshold: float | None = None, gpu_id: int = -1) -> None:
        """Load the pipeline."""
        check_gpu(gpu_id)
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
        self.nlp: Language = load_checked(model)
        ours = [pipe for _, pipe in self.nlp.pipeline if isinstance(pipe, BertNer)]
        self.spans_keys = [pipe.spans_key for pipe in ours if pipe.spans_key is not None]
        if threshold is not None and not ours:
            raise ValueError(f"`threshold` needs a bert_ner, but {model} has none. Leave it out.")
        for pipe in ours:
            pipe.threshold = pipe.threshold if threshold is None else threshold
        self._zone = ExitStack()
        self._n_known = len(self.nlp.vocab)

    def forget_words(self) -> None:
        """Keep memory flat: forget new words, once there are many. No doc may be left.

        The first words are kept, for in a memory zone spaCy's tokenizer remembers none.
        """
        if len(self.nlp.vocab) - self._n_known >= _MOST_NEW_WORDS:
            self._zone.close()
            self._zone.enter_context(self.nlp.memory_zone())
            self._n_known = len(self.nlp.vocab)

    def label(self, texts: list[str]) -> list[Doc | str]:
        """Label texts; call `forget_words` before each batch.

        If a batch fails, also for lack of memory, its halves are tried.

        texts (List[str]): The texts.
        RETURNS (List[Doc | str]): For each text its doc, or why it has none.
        """
        try:
            docs: list[Doc | str] = list(self.nlp.pipe(texts))
        except Exception as error:  # whatever a component raises is the record's reason
            if len(texts) == 1:
                return [f"{type(error).__name__}: {error}"[:500]]
            docs = []
        if len(docs) == len(texts):
            return docs
        if len(texts) == 1:
            return ["a component's error handler left the text out"]
        middle = len(texts) // 2
        return self.label(texts[:middle]) + self.label(texts[middle:])

    def find_entities(self, doc: Doc) -> list[Span]:
        """RETURNS (List[Span]): The entities in `doc.ents` and in the groups of a `bert_ner`."""
        if not self.spans_keys:
            return list(doc.ents)
        groups = [doc.spans[key] for key in self.spans_keys if key in doc.spans]
        return sorted(chain(doc.ents, *groups), key=lambda span: (span.start, span.end))


class PartRunner:
    """Does parts of a job, one after the other, with a pipeline that is loaded once.

    job (Job): The job.
    """

    def __init__(self, job: Job) -> None:
        """Load the pipeline."""
        self.job = job
        self.folder = OutputFolder(job.output)
        self.labeller = Labeller(job.model, threshold=job.threshold, gpu_id=job.gpu_id)
        nlp = self.labeller.nlp
        self.model = f"{nlp.meta['lang']}_{nlp.meta['name']}-{nlp.meta['version']}"
        self.reader = RecordReader(job.inputs, job.text_field, job.id_field, nlp.max_length)

    def run(self, part: Part, watch: Callable[[Count], Any] | None = None) -> Receipt:
        """Label the records of a part, and write them; the same again if it was done before.

        part (Part): The part.
        watch (Callable | None): Gets the counts so far after each batch.
        RETURNS (Receipt): What was done; it is written too, after the output.
        RAISES (OSError): If something cannot be read or written.
        RAISES (FormatError): If an input has changed.
        """
        errors: list[BadRecord] = []
        entities: Counter[str] = Counter()
        n_records = n_words = 0
        ents: list[Span] = []
        with self.folder.new_file(name_part(part.number, self.job.to)) as path:
            writer = open_part_writer(path, self.job.to, self.model)
            for records in self._read_batches(part, errors):
                self.labeller.forget_words()
                docs = self.labeller.label([record.text for record in records])
                for record, doc in zip(records, docs, strict=True):
                    if isinstance(doc, str):
                        errors.append(BadRecord(record.id, doc, record.place))
                        continue
                    ents = self.labeller.find_entities(doc)
                    try:
                        writer.add(record, doc, ents)
                    except ValueError as error:  # the format cannot hold it
                        errors.append(BadRecord(record.id, str(error), record.place))
                        continue
                    entities.update([ent.label_ for ent in ents])
                    n_records, n_words = n_records + 1, n_words + len(doc)
                del docs, doc, ents
                if watch:
                    watch(Count(n_records, n_words, len(errors)))
            writer.close()
        receipt = Receipt(part.number, n_records, n_words, dict(entities), errors)
        self.folder.write(name_receipt(part.number), encode_receipt(receipt).encode())
        return receipt

    def _read_batches(self, part: Part, errors: list[BadRecord]) -> Iterator[list[TextRecord]]:
        batch: list[TextRecord] = []
        n_chars = 0
        for record in chain.from_iterable(map(self.reader.read, part.ranges)):
            if isinstance(record, BadRecord):
                errors.append(record)
                continue
            batch.append(record)
            n_chars += len(record.text)
            if len(batch) == self.labeller.nlp.batch_size or n_chars >= _MOST_CHARS:
                yield batch
                batch, n_chars = [], 0
        if batch:
            yield batch
