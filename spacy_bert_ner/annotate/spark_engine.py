"""Parts of a job → Python workers of Spark → receipts; Spark does lost tasks anew."""

import os
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..install import import_extra
from .job import Job, Part
from .local import one_thread_each
from .messages import decode_result, do_part, encode_part
from .part import Receipt
from .places import import_pyarrow

_GPUS = "spark.task.resource.gpu.amount"
_FAILURES = 4  # of a task, after which a job on this machine ends; a cluster has its own setting


def run_on_spark(
    job: Job, parts: Sequence[Part], *, workers: int, gpus_per_worker: float
) -> Generator[Receipt, None, None]:
    """Do parts in the running Spark session, that of `spark-submit`, or one on this machine.

    Each node needs the model and this package, and reads and writes the job's locations.

    job (Job): The job.
    parts (Sequence[Part]): The parts to do.
    workers (int): Number of tasks at once, if the session is made here.
    gpus_per_worker (float): GPUs of each task, if the session is made here; 0 for the CPU.
    YIELDS (Receipt): What is done, after everything is.
    RAISES (ValueError): If Spark is not installed or gives no GPU, or a part cannot be done.
    """
    import_extra("pyspark.sql", "spark", used_by='`engine = "spark"`')
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    with one_thread_each():
        conf = SparkConf()
        if not conf.contains("spark.master"):
            conf.setMaster(f"local[{workers},{_FAILURES}]")
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if gpus_per_worker:
            job = replace(job, gpu_id=0)
            conf.setIfMissing(_GPUS, f"{gpus_per_worker:g}")
        spark = running or SparkSession.builder.config(conf=conf).getOrCreate()
    try:
        rows = [(encode_part(part),) for part in parts]
        frame = spark.createDataFrame(rows, "part string").repartition(len(rows))
        for row in frame.mapInArrow(partial(_do_parts, job), "result string").collect():
            yield decode_result(row["result"])
    finally:
        if running is None:
            spark.stop()


def _do_parts(job: Job, batches: Iterator[Any]) -> Iterator[Any]:
    from pyspark import TaskContext

    pa = import_pyarrow("")
    task = TaskContext.get()
    if job.gpu_id >= 0 and task is not None:
        gpus = task.resources().get("gpu")
        if gpus is None:
            raise ValueError(
                "Spark gave a task no GPU, expected `gpus_per_worker`. Start the session with "
                f"{_GPUS} and with executors that have GPUs."
            )
        job = replace(job, gpu_id=int(gpus.addresses[0]))
    for batch in batches:
        for text in batch.column("part").to_pylist():
            result = do_part(job, text)
            yield pa.RecordBatch.from_pydict({"result": [result]})
