"""A model, inputs and an output folder → everything labelled; a rerun does what is missing."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from ..machine import count_processors
from ..ranges import check_range
from ..targets import TargetExistsError, check_targets
from ..train.output import locked_output
from .job import JOB, Job, JobPlan, Part, load_plan
from .local import run_locally
from .part import Receipt, name_receipt, read_receipt
from .places import InputFile, OutputFolder, find_files, is_remote
from .plan import plan_job
from .run import JobRun, Summary
from .writers import OUTPUT_FORMATS, find_schema

ENGINES = ("local", "ray", "spark")
"""What can do the parts."""


def annotate(
    model: str | Path,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    to: str = "jsonl",
    text_field: str = "text",
    id_field: str | None = None,
    threshold: float | None = None,
    max_errors: float = 0.01,
    engine: str = "local",
    workers: int | None = None,
    gpu_id: int = -1,
    gpus_per_worker: float = 0,
    part_records: int = 10_000,
    force: bool = False,
    watch: Callable[[Summary], object] | None = None,
) -> Summary:
    """Label texts of any amount, and lose nothing when the job stops: run it again.

    Output is in the folder parts/, in files that appear when they are whole. A rerun does
    the missing parts, tries the records in errors.jsonl again, and takes in new and grown
    inputs. Workers import the script that calls this: do it below
    `if __name__ == "__main__":`.

    model (str | Path): Folder or package of the pipeline.
    inputs (Sequence[str | Path]): Files, folders, globs and URIs.
    output (str | Path): Folder or URI.
    to (str): One of `OUTPUT_FORMATS`.
    text_field (str): Name of the text in files with named fields.
    id_field (str | None): Name of the id; by default ids are file and row.
    threshold (float | None): Minimum probability of an entity; `None` for the model's own.
    max_errors (float): The job ends if a larger share of its records is bad.
    engine (str): One of `ENGINES`.
    workers (int | None): Processes; by default one for each core, or one on a GPU.
    gpu_id (int): Number of the GPU; -1 for the CPU. Only for the local engine.
    gpus_per_worker (float): GPUs that Ray or Spark reserves for each worker.
    part_records (int): Records of a part.
    force (bool): Whether to start anew if the folder holds another job.
    watch (Callable | None): Gets the state of the job, now and then.
    RETURNS (Summary): The state at the end.
    RAISES (ValueError): If a setting or an input is wrong, the folder holds another job,
        or another process writes to it.
    RAISES (TooManyErrorsError): If too many records are bad.
    RAISES (OSError): If something cannot be read or written.
    """
    _check_settings(to, engine, max_errors, part_records, workers, threshold)
    _check_gpus(engine, gpu_id, gpus_per_worker)
    found = find_files(inputs)
    folder = OutputFolder(str(output) if is_remote(output) else str(Path(output).resolve()))
    job = Job(
        str(model) if not Path(model).exists() else str(Path(model).resolve()),
        (),
        folder.location,
        to,
        text_field,
        id_field,
        threshold,
        gpu_id,
    )
    job.describe()  # a missing model is found before a folder is made
    with _locked(folder, [*inputs, *(file.location for file in found)]):
        job, plan, receipts = _prepare(job, folder, found, part_records, force)
        run = JobRun(folder, plan, receipts, max_errors, watch)
        todo = [part for part in plan.parts if part.number not in receipts]
        n_workers = workers or (1 if gpu_id >= 0 or gpus_per_worker else count_processors())
        try:
            if todo:
                with closing(_start(engine, job, todo, n_workers, gpus_per_worker)) as events:
                    run.follow(events)
        finally:
            _remove_unfinished(folder)
            run.write_errors()
        return run.state


def _check_settings(
    to: str,
    engine: str,
    max_errors: float,
    part_records: int,
    workers: int | None,
    threshold: float | None,
) -> None:
    for name, value, known in (("to", to, tuple(OUTPUT_FORMATS)), ("engine", engine, ENGINES)):
        if value not in known:
            raise ValueError(f'`{name} = "{value}"`, expected one of {", ".join(known)}.')
    if to == "parquet":
        find_schema()
    check_range("max_errors", max_errors, 0, 1)
    check_range("threshold", threshold, 0, 1)
    check_range("part_records", part_records, 1)
    check_range("workers", workers, 1)


def _check_gpus(engine: str, gpu_id: int, gpus_per_worker: float) -> None:
    if gpu_id >= 0 and engine != "local":
        raise ValueError(
            f'`gpu_id = {gpu_id}` with `engine = "{engine}"`, which chooses GPUs itself. Set '
            "`gpus_per_worker` instead."
        )
    if gpus_per_worker and engine == "local":
        raise ValueError(
            f'`gpus_per_worker = {gpus_per_worker:g}` with `engine = "local"`, expected `gpu_id`: '
            "the number of the GPU."
        )


def _locked(folder: OutputFolder, inputs: Sequence[str | Path]) -> AbstractContextManager[None]:
    if is_remote(folder.location):
        return nullcontext()
    path = Path(folder.location)
    sources = [location for location in inputs if not is_remote(location)]
    check_targets(folder=path, inputs=sources, force=True)
    return locked_output(path, what="annotate job")


def _prepare(
    job: Job, folder: OutputFolder, found: Sequence[InputFile], part_records: int, force: bool
) -> tuple[Job, JobPlan, dict[int, Receipt]]:
    earlier = None if force else load_plan(folder)
    files = [f"{name}/{file}" for name in ("receipts", "parts") for file in folder.list(name)]
    old = sorted(name for name in files if "/part-" in name)
    if earlier is None and not force and old:
        raise TargetExistsError(
            f"{folder.location} has {old[-1]}, but no {JOB}. Choose another output folder, or set "
            "`force` to replace its parts."
        )
    job, plan = plan_job(job, found, earlier, part_records=part_records)
    _remove_unfinished(folder)
    for name in reversed(old if force else []):
        folder.remove(name)
    receipts = {}
    for part in plan.parts:
        receipt = read_receipt(folder, part.number) if earlier else None
        if receipt is not None:
            receipts[part.number] = receipt
    _plan_retries(folder, plan, receipts, part_records)
    plan.save(folder)
    return job, plan, receipts


def _remove_unfinished(folder: OutputFolder) -> None:
    # what killed workers were writing
    for place in ("", "receipts/", "parts/"):
        for name in folder.list(place):
            if name.startswith(".") and name.endswith(".part"):
                folder.remove(place + name)


def _plan_retries(
    folder: OutputFolder, plan: JobPlan, receipts: dict[int, Receipt], part_records: int
) -> None:
    # records that failed get new parts; a part of which all failed is done anew as it is
    places = []
    for number, receipt in list(receipts.items()):
        if not receipt.errors or number in plan.retried:
            continue
        if receipt.n_records == 0:
            folder.remove(name_receipt(number))
            del receipts[number]
            continue
        plan.retried.append(number)
        places += [error.place for error in receipt.errors]
    for start in range(0, len(places), part_records):
        chosen = sorted(places)[start : start + part_records]
        plan.parts.append(Part(len(plan.parts), chosen))


def _start(
    engine: str, job: Job, todo: Sequence[Part], workers: int, gpus_per_worker: float
) -> Generator[Any, None, None]:
    if engine == "ray":
        from .ray_engine import run_on_ray

        return run_on_ray(job, todo, workers=workers, gpus_per_worker=gpus_per_worker)
    if engine == "spark":
        from .spark_engine import run_on_spark

        return run_on_spark(job, todo, workers=workers, gpus_per_worker=gpus_per_worker)
    return run_locally(job, todo, workers=workers)
