"""What an engine does → the state of the job, and its errors.jsonl."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .job import JobPlan
from .part import Count, Event, Receipt
from .places import OutputFolder

ERRORS = "errors.jsonl"
"""The file with the records that could not be labelled."""


class TooManyErrorsError(ValueError):
    """More records than allowed could not be labelled."""


@dataclass
class Summary:
    """How far a job is.

    total (int): Records of the job.
    records (int): Labelled records.
    words (int): Their tokens.
    errors (int): Records that could not be labelled; errors.jsonl says why.
    entities (Counter[str]): Label → number of entities.
    parts (int): Parts that are done.
    done_now (int): Records that this run has done, bad ones too.
    words_now (int): Tokens that this run has labelled.
    seconds (float): How long this run has been labelling.
    """

    total: int = 0
    records: int = 0
    words: int = 0
    errors: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    parts: int = 0
    done_now: int = 0
    words_now: int = 0
    seconds: float = 0.0

    @property
    def words_per_second(self) -> float:
        """RETURNS (float): Speed of this run."""
        return self.words_now / self.seconds if self.seconds else 0.0


class JobRun:
    """One run of a job, and the state of the job.

    folder (OutputFolder): Where it writes.
    plan (JobPlan): The plan.
    receipts (Dict[int, Receipt]): Of the parts that are done; `follow` adds to them.
    max_errors (float): The share of bad records that is allowed.
    watch (Callable | None): Gets the state, now and then.
    """

    def __init__(
        self,
        folder: OutputFolder,
        plan: JobPlan,
        receipts: dict[int, Receipt],
        max_errors: float,
        watch: Callable[[Summary], object] | None,
    ) -> None:
        """Count what is done already."""
        self.folder = folder
        self.plan = plan
        self.receipts = receipts
        self.max_errors = max_errors
        self.watch = watch
        self.retried = set(plan.retried)
        self.counts: dict[int, Count] = {}  # of parts that are not done
        self.done = Summary(total=plan.n_records)
        for receipt in receipts.values():
            self._add(receipt)
        self.before = replace(self.done)
        self.start = time.perf_counter()

    def _add(self, receipt: Receipt) -> None:
        self.done.parts += 1
        self.done.records += receipt.n_records
        self.done.words += receipt.n_words
        self.done.entities.update(receipt.entities)
        if receipt.number not in self.retried:
            self.done.errors += len(receipt.errors)

    @property
    def state(self) -> Summary:
        """RETURNS (Summary): The state of the job."""
        live = self.counts.values()
        records = self.done.records + sum(count.records for count in live)
        words = self.done.words + sum(count.words for count in live)
        errors = self.done.errors + sum(count.errors for count in live)
        return replace(
            self.done,
            records=records,
            words=words,
            errors=errors,
            done_now=records + errors - self.before.records - self.before.errors,
            words_now=words - self.before.words,
            seconds=time.perf_counter() - self.start,
        )

    def follow(self, events: Iterator[Event]) -> None:
        """Take in what an engine does, until it is done.

        events (Iterator[Receipt | Tuple[int, Count]]): What happens.
        RAISES (TooManyErrorsError): If too many records are bad.
        """
        for event in events:
            if isinstance(event, Receipt):
                self.receipts[event.number] = event
                self.counts.pop(event.number, None)
                self._add(event)
                if self.done.errors > self.max_errors * self.plan.n_records:
                    self._give_up(event)
            else:
                self.counts[event[0]] = event[1]
            if self.watch:
                self.watch(self.state)

    def _give_up(self, receipt: Receipt) -> None:
        example = f", for example {receipt.errors[0].id}: {receipt.errors[0].reason}"
        raise TooManyErrorsError(
            f"{self.done.errors:,} of {self.plan.n_records:,} records cannot be labelled{example}. "
            f"Expected at most `max_errors = {self.max_errors}` of them. Read {ERRORS} in "
            f"{self.folder.location}, correct the inputs, or allow more."
        )

    def write_errors(self) -> None:
        """Write errors.jsonl: the records that are bad so far."""
        with self.folder.new_file(ERRORS) as path, path.open("w", encoding="utf8") as file:
            for number in sorted(set(self.receipts) - self.retried):
                for error in self.receipts[number].errors:
                    name = self.plan.inputs[error.place.file].name
                    row = error.place.first + 1
                    line = {"id": error.id, "reason": error.reason, "file": name, "row": row}
                    file.write(json.dumps(line) + "\n")
