"""The ids of all records → an error if one is missing or repeated, in little memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ..scratch import temporary_folder
from .places import InputFile
from .records import find_id
from .rows import parse_fields, read_file_rows

_N_FILES = 64
_SIZE = 16  # bytes of a hash: equal hashes mean equal ids


def check_ids(files: Sequence[InputFile], id_field: str) -> None:
    """Check that each record has an id of its own.

    Hashes of the ids are sorted into files by their first byte, then compared file by
    file: 16 bytes of disk for each record, and 1/64 of that in memory. Rows that are no
    records have no id; they are counted as bad records later.

    files (Sequence[InputFile]): All inputs.
    id_field (str): Name of the id.
    RAISES (ValueError): If an id is missing or repeated; the message says where.
    """
    with temporary_folder() as folder:
        paths = [Path(folder, str(i)) for i in range(_N_FILES)]
        with ExitStack() as stack:
            buckets = [stack.enter_context(path.open("wb")) for path in paths]
            for place, name in _read_ids(files, id_field):
                if not name:
                    raise ValueError(
                        f"{place}: no id in the field '{id_field}', expected a text or a whole "
                        "number in each record. Add it, or leave `id_field` out: ids are made of "
                        "file and row then."
                    )
                digest = _hash(name)
                buckets[digest[0] % _N_FILES].write(digest)
        for path in paths:
            hashes = np.sort(np.fromfile(path, dtype=f"S{_SIZE}"))
            repeated = hashes[1:][hashes[1:] == hashes[:-1]]
            if len(repeated):
                _refuse(files, id_field, bytes(repeated[0]).ljust(_SIZE, b"\0"))


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_SIZE).digest()


def _read_ids(files: Sequence[InputFile], id_field: str) -> Iterator[tuple[str, str]]:
    for file in files:
        for number, (_, row) in enumerate(read_file_rows(file), start=1):
            fields = parse_fields(file, row)
            if isinstance(fields, dict):
                yield f"{file.name}, record {number:,}", find_id(fields, id_field)


def _refuse(files: Sequence[InputFile], id_field: str, digest: bytes) -> None:
    found = ((place, name) for place, name in _read_ids(files, id_field) if _hash(name) == digest)
    (first, name), (second, _) = next(found), next(found)
    raise ValueError(
        f"{second}: the id {name!r}, which {first} also has, expected another one for each "
        "record. Correct it, or leave `id_field` out: ids are made of file and row then."
    )
