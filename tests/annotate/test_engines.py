"""Ray and Spark: the same output as in one process, also if a worker is killed; docs' examples."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock, call

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.annotating import (
    TEXTS,
    check_same_output,
    here,
    make_records,
    model,
    run_job,
    write_lines,
)
from support.pipelines import read_ents

from spacy_bert_ner.annotate import spark_engine
from spacy_bert_ner.annotate.annotate import annotate
from spacy_bert_ner.annotate.job import Job, Part
from spacy_bert_ner.annotate.ray_engine import run_on_ray
from spacy_bert_ner.annotate.spark_engine import run_on_spark

__all__ = ["here", "model"]
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
JOB, PART = Job("model", (), "out"), Part(0, [])
GPUS = "spark.task.resource.gpu.amount"
HAS_JAVA = shutil.which("java") is not None

# Each engine runs in a process of its own: it starts servers, and sets up logging.
RUN = """
import sys
from spacy_bert_ner.annotate.annotate import annotate
if __name__ == "__main__":
    model, data, output, engine = sys.argv[1:]
    state = annotate(model, [data], output, engine=engine, workers=1, part_records=20)
    print(f"{state.records} records in {state.parts} parts")
"""


@contextmanager
def started(script, *args):
    """Run a script in a session of its own, of which nothing is left at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "RAY_USAGE_STATS_ENABLED": "0",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
        },
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for number in find_processes(process.pid, ""):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()


def need(engine):
    pytest.importorskip({"ray": "ray.data", "spark": "pyspark"}[engine])
    if engine == "spark" and not HAS_JAVA:
        pytest.skip("Spark needs Java, which is not installed")


def find_processes(session, pattern):
    """The processes of a session whose command line matches."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat[3]) == session and re.search(pattern, line):
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "worker"),
    [("ray", r"^ray::.*(_Actor|MapBatches|MapWorker)"), ("spark", r"pyspark\.daemon")],
)
def test_an_engine_does_the_same_also_if_its_worker_is_killed(
    engine, worker, model, tmp_path, request
):
    need(engine)
    data = write_lines(tmp_path / "a.jsonl", make_records(2_000))
    receipts = tmp_path / "out" / "receipts"
    with started(RUN, model, data, tmp_path / "out", engine) as process:
        while not receipts.exists() or len(list(receipts.iterdir())) < 2:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        killed = find_processes(process.pid, worker)
        for number in killed[-1:]:
            os.kill(number, signal.SIGKILL)
        text, _ = process.communicate(timeout=300)
    assert killed, text
    assert "2000 records in 100 parts" in text, text
    request.getfixturevalue("here")
    run_job(model, [data], tmp_path / "whole", part_records=1_000)
    check_same_output(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_the_example_of_the_page_runs(engine, model, trained, tmp_path):
    need(engine)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf8"), re.S)
    first = {"ray": "import ray\n", "spark": "from pyspark"}[engine]
    (example,) = [block for block in blocks if block.startswith(first)]
    (tmp_path / "in").mkdir()
    table = pa.table({"id": list("abcd"), "text": TEXTS})
    parquet.write_table(table, tmp_path / "in" / "a.parquet")
    for old, new in (
        ("en_kaggle_ner", model),
        ("in/", tmp_path / "in"),
        ("out/", tmp_path / "out"),
    ):
        assert f'"{old}"' in example
        example = example.replace(f'"{old}"', f'"{new}"')
    with started(example) as process:
        text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    found = {row["id"]: row for row in rows}
    for name, source in zip("abcd", TEXTS, strict=True):
        entities = [(e["text"], e["label"]) for e in found[name]["entities"]]
        assert (found[name]["text"], entities) == (source, read_ents(trained(source)))
        assert found[name]["error"] is None


@pytest.mark.parametrize(("engine", "module"), [("ray", "ray"), ("spark", "pyspark")])
def test_a_missing_engine_is_named_with_its_command(engine, module, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    data = write_lines(tmp_path / "a.jsonl", make_records(2))
    with pytest.raises(ValueError, match=rf'`engine = "{engine}"` needs .*pip install .*{module}'):
        annotate(model, [data], tmp_path / "out", engine=engine)


@pytest.mark.parametrize(("gpus", "gpu_id"), [(0, -1), (0.5, 0)])
def test_ray_reserves_the_gpus(gpus, gpu_id, monkeypatch):
    ray = MagicMock()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", ray.data)
    map_batches = ray.data.from_items.return_value.map_batches
    map_batches.return_value.iter_rows.return_value = []
    assert not list(run_on_ray(JOB, [PART, PART], workers=4, gpus_per_worker=gpus))
    settings = map_batches.call_args.kwargs
    assert (settings["num_gpus"], settings["concurrency"]) == (gpus, (1, 2))
    assert settings["fn_constructor_args"] == (replace(JOB, gpu_id=gpu_id),)


@pytest.mark.parametrize(("gpus", "asked"), [(0, []), (0.5, [call(GPUS, "0.5")])])
def test_spark_is_asked_for_the_gpus(gpus, asked, monkeypatch):
    pyspark = MagicMock()
    for name in ("", ".sql"):
        monkeypatch.setitem(sys.modules, f"pyspark{name}", pyspark)
    pyspark.SparkConf.return_value.contains.return_value = False
    pyspark.SparkSession.getActiveSession.return_value = None
    list(run_on_spark(JOB, [PART], workers=4, gpus_per_worker=gpus))
    assert pyspark.SparkConf.return_value.setIfMissing.call_args_list == asked


def test_a_task_of_spark_uses_its_gpu(monkeypatch):
    pyspark, jobs = MagicMock(), []
    monkeypatch.setitem(sys.modules, "pyspark", pyspark)
    monkeypatch.setattr(spark_engine, "do_part", lambda job, text: jobs.append(job) or text)
    resources = pyspark.TaskContext.get.return_value.resources
    batches = [pa.RecordBatch.from_pydict({"part": ["a"]})]
    resources.return_value = {"gpu": MagicMock(addresses=["3"])}
    for gpu_id in (-1, 0):
        list(spark_engine._do_parts(replace(JOB, gpu_id=gpu_id), batches))
    assert [job.gpu_id for job in jobs] == [-1, 3]
    resources.return_value = {}
    with pytest.raises(ValueError, match=r"gave a task no GPU.*spark\.task\.resource\.gpu"):
        list(spark_engine._do_parts(replace(JOB, gpu_id=0), batches))


@pytest.mark.slow
def test_an_actor_of_ray_looks_for_its_gpu(model, tmp_path):
    need("ray")
    data = write_lines(tmp_path / "a.jsonl", make_records(3))
    start = "import ray; ray.init(num_gpus=1, log_to_driver=False)\n"
    script = start + RUN.replace("engine=engine", "engine=engine, gpus_per_worker=1")
    with started(script, model, data, tmp_path / "out", "ray") as process:
        text, _ = process.communicate(timeout=300)
    assert process.returncode and "GPU" in text.splitlines()[-1], text
