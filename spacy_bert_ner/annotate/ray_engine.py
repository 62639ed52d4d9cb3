"""Parts of a job → a pool of actors of Ray Data → receipts; Ray replaces dead actors."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from ..install import import_extra
from .job import Job, Part
from .messages import decode_result, do_part, encode_part
from .part import Receipt


def run_on_ray(
    job: Job, parts: Sequence[Part], *, workers: int, gpus_per_worker: float
) -> Generator[Receipt, None, None]:
    """Do parts on a Ray cluster: the running one, or one on this machine.

    Each node needs the model and this package, and reads and writes the job's locations.

    job (Job): The job.
    parts (Sequence[Part]): The parts to do.
    workers (int): Number of actors.
    gpus_per_worker (float): GPUs of each actor; 0 for the CPU.
    YIELDS (Receipt): What is done.
    RAISES (ValueError): If Ray is not installed, or a part cannot be done.
    """
    import_extra("ray.data", "ray", used_by='`engine = "ray"`')
    import ray

    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"part": encode_part(part)} for part in parts]
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Actor,
        fn_constructor_args=(replace(job, gpu_id=0 if gpus_per_worker else -1),),
        batch_size=1,
        num_cpus=1,
        num_gpus=gpus_per_worker,
        concurrency=(1, min(workers, len(parts))),
    )
    for row in results.iter_rows():
        yield decode_result(row["result"])


class _Actor:
    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"result": [do_part(self.job, text) for text in batch["part"]]}
