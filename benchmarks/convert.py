"""What converting keeps and costs: counts of real files; time and memory next to pandas.

From the project's folder: python benchmarks/convert.py --output benchmarks/results/convert.json
The CoNLL files may not be committed: --data names the folder that has them. Missing files are
listed. The peer is what the Kaggle tutorials do before they train: read_csv, ffill, groupby.apply.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Annotated

import typer
from timing import read_peak

from spacy_bert_ner.convert.convert import convert
from spacy_bert_ner.convert.settings import Conversion

KAGGLE = Path("assets/kaggle/ner_dataset.csv.zip")

# file below the data folder, language, sentences, entities
EXPECTED = [
    ("kaggle/ner_dataset.csv.zip", "en", 47_959, 111_891),
    ("conll2003/eng.train.gz", "en", 14_041, 23_499),
    ("conll2003/eng.testa.gz", "en", 3_250, 5_942),
    ("conll2002/conll2002_esp.zip:esp.train", "es", 8_323, 18_798),
    ("conll2002/conll2002_esp.zip:esp.testa", "es", 1_915, 4_352),
    ("conll2002/conll2002_esp.zip:esp.testb", "es", 1_517, 3_559),
]


def read_with_pandas(path: Path) -> int:
    """Read as the tutorials do, and give the number of sentences."""
    import pandas as pd

    table = pd.read_csv(path, encoding="latin1").ffill()
    sentences = table.groupby("Sentence #").apply(pair_words)
    return len(sentences)


def pair_words(group) -> list[tuple[str, str, str]]:
    """Pair the words of one sentence with their tags."""
    columns = (group[name].values.tolist() for name in ("Word", "POS", "Tag"))
    return list(zip(*columns, strict=True))


def convert_all(path: Path) -> int:
    """Convert the whole file with its report's checks, and give the number of sentences."""
    with tempfile.TemporaryDirectory() as folder:
        report = convert([path], folder, settings=Conversion(split="80/10/10"))
    return sum(part["sentences"] for part in report["parts"].values())


WORKS = {"pandas": read_with_pandas, "convert": convert_all}


def check_counts(data: Path) -> tuple[list[dict], bool]:
    """Convert each file that is there and compare it with what it is known to contain."""
    rows, is_right = [], True
    for name, lang, sentences, entities in EXPECTED:
        location = KAGGLE if name.startswith("kaggle") else data / name
        if not Path(str(location).replace(".zip:", ".zip\n").partition("\n")[0]).exists():
            print(f"{name}: not found, not checked")
            continue
        report = convert([location], settings=Conversion(lang=lang))
        (item,), (part,) = report["inputs"], report["parts"].values()
        row = {
            "file": name,
            "sentences": part["sentences"],
            "entities": sum(part["entities"].values()),
            "tokens": part["tokens"],
            "scheme": item["scheme"],
            "stray_tags": item["stray_tags"],
            "kept_by_tokenizer": report["tokenizer"]["kept_share"],
            "cut_by_full_stop": report["tokenizer"]["cut_by_full_stop"],
            "cut_tokens": report["tokenizer"]["tokens"],
        }
        row["as_expected"] = (row["sentences"], row["entities"]) == (sentences, entities)
        is_right &= row["as_expected"]
        rows.append(row)
        print(json.dumps(row, ensure_ascii=False))
    return rows, is_right


def measure_time(n_rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Run both kinds of work in turn in this process; time them by clock and by processor."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WORKS}
    for _ in range(n_rounds):
        for name, work in WORKS.items():
            clock, cpu = time.perf_counter(), time.process_time()
            work(KAGGLE)
            times[name].append((time.perf_counter() - clock, time.process_time() - cpu))
            print("{}: {:.2f} s, {:.2f} s of the processor".format(name, *times[name][-1]))
    return times


def measure_memory(name: str, copies: int) -> dict[str, float]:
    """Run one kind of work in its own process, and give its peak memory in MiB.

    The file is the Kaggle file, `copies` times over with new sentence ids. "before" is
    the peak after the imports, on a file of one sentence.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copies.csv"
        write_copies(path, copies)
        command = [sys.executable, "-W", "ignore", __file__, "--work", name, "--file", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def write_copies(path: Path, copies: int) -> None:
    """Write the Kaggle file several times over, each sentence with an id of its own."""
    with zipfile.ZipFile(KAGGLE) as archive:
        head, _, rows = archive.read("ner_dataset.csv").partition(b"\r\n")
    with path.open("wb") as file:
        file.write(head + b"\r\n")
        for i in range(copies):
            file.write(rows.replace(b"Sentence: ", b"Sentence: %d-" % i))


def run_work(name: str, path: Path) -> None:
    """Do one kind of work in this process, and print its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.csv"
        small.write_text("Sentence #,Word,POS,Tag\n" + "1,a,X,B-geo\n2,b,X,O\n3,c,X,O\n")
        WORKS[name](small)
    before = read_peak()
    WORKS[name](path)
    print(json.dumps({"before": before, "peak": read_peak()}))


def main(
    data: Annotated[Path, typer.Option(help="Folder with conll2002/ and conll2003/")] = Path(
        "../shared/data"
    ),
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of the timing")] = 5,
    output: Annotated[Path | None, typer.Option(help="Where to write the figures")] = None,
    work: Annotated[str | None, typer.Option(hidden=True)] = None,
    file: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Check the counts, then measure time and memory."""
    if work is not None and file is not None:
        run_work(work, file)
        return
    rows, is_right = check_counts(data)
    times = measure_time(rounds)
    memory = {
        name: {f"{copies}x": measure_memory(name, copies) for copies in (1, 2, 4)} for name in WORKS
    }
    medians = {
        name: [statistics.median(values) for values in zip(*runs, strict=True)]
        for name, runs in times.items()
    }
    peer, ours = medians["pandas"], medians["convert"]
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "files": rows,
        "seconds_clock_and_cpu": times,
        "median_seconds": medians,
        "convert_to_pandas": [mine / theirs for mine, theirs in zip(ours, peer, strict=True)],
        "peak_mib": memory,
    }
    print(json.dumps({key: result[key] for key in ("median_seconds", "convert_to_pandas")}))
    print(json.dumps(memory))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf8")
    if not is_right:
        raise SystemExit("A file does not hold what it is known to hold.")


if __name__ == "__main__":
    typer.run(main)
