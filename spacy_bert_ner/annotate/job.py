"""What is labelled, how and where to: the job ↔ its plan in job.json."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..manifest import find_folder, read_meta
from .places import InputFile, OutputFolder
from .records import Range

JOB = "job.json"
"""The file with the plan."""

_FORMAT = 1
OTHER_JOB = "Choose another output folder, or set `force` to start anew."
"""What to do if the folder holds another job."""


class Part(NamedTuple):
    """Some records, labelled together and written to one file.

    number (int): Its number in the job.
    ranges (Sequence[Range]): Its rows.
    """

    number: int
    ranges: Sequence[Range]

    @property
    def n_records(self) -> int:
        """RETURNS (int): Number of its rows."""
        return sum(span.n_rows for span in self.ranges)


@dataclass(frozen=True)
class Job:
    """What is labelled, how, and where to; a worker anywhere needs nothing else.

    model (str): Folder or package of the pipeline.
    inputs (Tuple[InputFile, ...]): The files.
    output (str): Path or URI of the output folder.
    to (str): One of `OUTPUT_FORMATS`.
    text_field (str): Name of the text.
    id_field (str | None): Name of the id; `None` for ids made of file and row.
    threshold (float | None): Minimum probability of an entity; `None` for the model's own.
    gpu_id (int): Number of the GPU; -1 for the CPU.
    """

    model: str
    inputs: tuple[InputFile, ...]
    output: str
    to: str = "jsonl"
    text_field: str = "text"
    id_field: str | None = None
    threshold: float | None = None
    gpu_id: int = -1

    def describe(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): The model and settings, of which any change makes another job.

        RAISES (FileNotFoundError): If there is no such model.
        """
        folder = find_folder(self.model)
        meta = read_meta(folder)
        return {
            "format": _FORMAT,
            "model": {
                "name": f"{meta['lang']}_{meta['name']}",
                "version": meta["version"],
                "sha256": _hash_folder(folder),
            },
            "settings": {
                "to": self.to,
                "text_field": self.text_field,
                "id_field": self.id_field,
                "threshold": self.threshold,
            },
        }


def _hash_folder(folder: Path) -> str:
    # all files and the manifest: the same for each copy of a model
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in name and not path.name.startswith("."):
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Input(NamedTuple):
    """What job.json records of one file.

    name (str): Its name in ids.
    size (int): Bytes.
    sha256 (str): Of these bytes.
    n_rows (int): Its rows.
    """

    name: str
    size: int
    sha256: str
    n_rows: int


@dataclass
class JobPlan:
    """All parts of a job.

    described (Dict[str, Any]): What `Job.describe` gives.
    inputs (List[Input]): The files, in the order of `Job.inputs`.
    parts (List[Part]): The parts; later ones may do rows again that failed in earlier ones.
    retried (List[int]): Numbers of parts whose failed rows are in later parts.
    """

    described: dict[str, Any]
    inputs: list[Input] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)

    @property
    def n_records(self) -> int:
        """RETURNS (int): Number of records of all inputs."""
        return sum(item.n_rows for item in self.inputs)

    def save(self, folder: OutputFolder) -> None:
        """Write job.json."""
        lines = [json.dumps(part.ranges) for part in self.parts]
        facts = {
            **self.described,
            "inputs": [item._asdict() for item in self.inputs],
            "retried": self.retried,
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False).removesuffix("\n}")
        parts = ",\n    ".join(lines)
        text = f'{text},\n  "parts": [\n    {parts}\n  ]\n}}\n'
        # Names of files may have bytes that are not UTF-8; JSON has escapes for them.
        folder.write(JOB, text.encode(errors="backslashreplace"))


def load_plan(folder: OutputFolder) -> JobPlan | None:
    """Read the job.json of an output folder.

    RETURNS (JobPlan | None): The plan; `None` if there is none.
    RAISES (ValueError): If it is damaged.
    """
    data = folder.read(JOB)
    if data is None:
        return None
    try:
        found = json.loads(data)
        return JobPlan(
            {key: found[key] for key in ("format", "model", "settings")},
            [Input(**item) for item in found["inputs"]],
            [
                Part(number, [Range(*span) for span in ranges])
                for number, ranges in enumerate(found["parts"])
            ],
            found["retried"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder.location}/{JOB}: damaged ({error!r}), expected the plan of a job. {OTHER_JOB}"
        ) from error
