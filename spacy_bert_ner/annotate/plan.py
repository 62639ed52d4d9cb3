"""A job and its inputs → parts: all of them, or those of new rows; changed inputs are refused."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
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
    old = [*plan.inputs, *(Input(name, 0, "", 0) for name in names[len(plan.inputs) :])]
    hashed = [_hash_input(file, item, job.output) for file, item in zip(files, old, strict=True)]
    grown = [i for i, item in enumerate(old) if (item.size, item.sha256) != hashed[i]]
    n_rows = Counter({i: item.n_rows for i, item in enumerate(old)})
    for ranges in _cut(_read_new_rows(files, old, grown), part_records):
        plan.parts.append(Part(len(plan.parts), ranges))
        n_rows.update({span.file: span.n_rows for span in ranges})
    plan.inputs = [Input(file.name, *hashed[i], n_rows[i]) for i, file in enumerate(files)]
    job = replace(job, inputs=files)
    if grown:
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


def _read_new_rows(
    files: Sequence[InputFile], old: Sequence[Input], grown: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    # file, row and offset of each row that is not planned yet
    for number in grown:
        rows = enumerate(read_file_rows(files[number]))
        for row, (offset, _) in islice(rows, old[number].n_rows, None):
            yield number, row, offset


def _cut(rows: Iterator[tuple[int, int, int]], size: int) -> Iterator[list[Range]]:
    # the ranges of each part
    while True:
        found: dict[int, list[int]] = {}  # file → first row, number of rows, offset
        for file, row, offset in islice(rows, size):
            found.setdefault(file, [row, 0, offset])[1] += 1
        if not found:
            return
        yield [Range(file, *span) for file, span in found.items()]


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
