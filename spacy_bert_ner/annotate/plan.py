"""A job and its inputs → parts: all of them, or those of new rows; changed inputs are refused."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..read.sentence import FormatError
from .ids import check_ids
from .job import OTHER_JOB, Input, Job, JobPlan, Part
from .places import InputFile, open_location
from .records import Range, choose_text_field
from .rows import parse_fields, read_file_rows


def plan_job(
    job: Job, found: Sequence[InputFile], earlier: JobPlan | None, *, part_records: int
) -> tuple[Job, JobPlan]:
    """Plan a job, or go on with an earlier plan: parts are added for new rows.

    job (Job): The job; its inputs are not used.
    found (Sequence[InputFile]): The inputs.
    earlier (JobPlan | None): What the output folder holds.
    part_records (int): Records of a new part.
    RETURNS (Tuple[Job, JobPlan]): The job with its inputs in the order of the plan, and the plan.
    RAISES (ValueError): If the earlier plan is that of another job, an input has changed
        other than by growing, or ids are missing or repeated.
    """
    plan = JobPlan(job.describe())
    if earlier is not None:
        _compare(earlier.described, plan.described, job.output)
        plan = JobPlan(plan.described, list(earlier.inputs), list(earlier.parts), earlier.retried)
    by_name = {file.name: file for file in found}
    if len(by_name) < len(found):
        raise ValueError("Two inputs have the same name. Write their paths in full.")
    gone = [item.name for item in plan.inputs if item.name not in by_name]
    if gone:
        raise ValueError(
            f"{', '.join(gone[:3])}: in the job of {job.output}, but not among the inputs, "
            f"expected at least the same inputs under the same names. {OTHER_JOB}"
        )
    known = {item.name for item in plan.inputs}
    names = [*(item.name for item in plan.inputs), *(n for n in by_name if n not in known)]
    files = tuple(by_name[name] for name in names)
    cutter = _Cutter(part_records, len(plan.parts))
    inputs: list[Input] = []
    for number, file in enumerate(files):
        old = plan.inputs[number] if number < len(plan.inputs) else Input(file.name, 0, "", 0)
        size, sha256 = _hash_input(file, old, job.output)
        n_rows = old.n_rows if (size, sha256) == old[1:3] else cutter.add(file, number, old)
        inputs.append(Input(file.name, size, sha256, n_rows))
    job = replace(job, inputs=files)
    is_new = inputs != plan.inputs
    plan.inputs = inputs
    plan.parts += cutter.close()
    if is_new:
        _check_fields(job, plan)
        if job.id_field is not None:
            check_ids(files, job.id_field)
    return job, plan


def _compare(old: dict[str, Any], new: dict[str, Any], output: str) -> None:
    pairs = [
        (f"{group}.{key}", old[group].get(key), value)
        for group in ("model", "settings")
        for key, value in new[group].items()
    ]
    pairs.append(("format", old["format"], new["format"]))
    wrong = [f"{name} = {a!r}, now {b!r}" for name, a, b in pairs if a != b]
    if wrong:
        raise ValueError(f"{output} holds another job: {'; '.join(wrong)}. {OTHER_JOB}")


def _hash_input(file: InputFile, old: Input, output: str) -> tuple[int, str]:
    digest, size, before, borders = hashlib.sha256(), 0, b"", b""
    with open_location(file.location) as stream:
        while data := stream.read(min(1 << 20, old.size - size) if size < old.size else 1 << 20):
            if size == old.size and size:
                borders = before[-1:] + data[:1]
            digest.update(data)
            size, before = size + len(data), data
            if size == old.size and digest.hexdigest() != old.sha256:
                size = -1
                break
    is_text = file.suffix not in (".parquet", ".spacy")
    is_cut = borders and (not is_text or (b"\n" not in borders and not file.is_packed))
    if size < old.size or is_cut:
        raise ValueError(
            f"{file.name} has changed since the job of {output} was started, expected the same "
            f"file, or a text file to which lines were added. {OTHER_JOB}"
        )
    return size, digest.hexdigest()


class _Cutter:
    # cuts the rows of one file after the other into parts

    def __init__(self, size: int, first: int) -> None:
        self.size = size
        self.number = first
        self.parts: list[Part] = []
        self.ranges: list[Range] = []
        self.room = size

    def add(self, file: InputFile, number: int, old: Input) -> int:
        row = old.n_rows
        start, at, n_rows = row, 0, 0
        for offset, _ in _rows_after(file, row):
            if not n_rows:
                start, at = row, offset
            row, n_rows = row + 1, n_rows + 1
            if n_rows == self.room:
                self.ranges.append(Range(number, start, n_rows, at))
                self._cut()
                n_rows = 0
        if n_rows:
            self.ranges.append(Range(number, start, n_rows, at))
            self.room -= n_rows
        return row

    def _cut(self) -> None:
        self.parts.append(Part(self.number, self.ranges))
        self.number += 1
        self.ranges, self.room = [], self.size

    def close(self) -> list[Part]:
        if self.ranges:
            self._cut()
        return self.parts


def _rows_after(file: InputFile, n_rows: int) -> Iterator[tuple[int, Any]]:
    for number, row in enumerate(read_file_rows(file)):
        if number >= n_rows:
            yield row


def _check_fields(job: Job, plan: JobPlan) -> None:
    # a wrong name is found before anything is labelled
    for file in job.inputs:
        first = next(read_file_rows(file), None)
        fields = parse_fields(file, first[1]) if first else "no rows"
        if isinstance(fields, dict) and choose_text_field(file, job.text_field) not in fields:
            raise FormatError(
                file.name,
                f"fields {', '.join(map(repr, list(fields)[:20]))}, expected '{job.text_field}' "
                "with the text. Set `text_field` to one of them.",
            )
    if not plan.n_records:
        names = ", ".join(file.name for file in job.inputs[:3])
        raise ValueError(f"{names}: no records, expected at least one. Check the files.")
