"""Paths, globs, folders and URIs → input files to open; and one output folder to fill."""

import fnmatch
import glob
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from ..install import import_extra
from ..read.bytes.packed import PACKED_SUFFIXES
from ..report.text import format_count
from ..scratch import explained, temporary_folder
from ..targets import check_inputs

SUFFIXES = (".txt", ".jsonl", ".csv", ".tsv", ".parquet", ".spacy")
"""Endings of the files that are read; text files may be packed."""


class InputFile(NamedTuple):
    """One file to annotate.

    name (str): As the user wrote it, or the path below a folder or glob of the user.
    location (str): Its absolute path or its URI.
    """

    name: str
    location: str

    @property
    def suffix(self) -> str:
        """RETURNS (str): Its type in lower case, without the suffix of its packing."""
        return _find_type(self.name)[0]

    @property
    def is_packed(self) -> bool:
        """RETURNS (bool): Whether it has to be unpacked."""
        return _find_type(self.name)[1]


@lru_cache
def _find_type(name: str) -> tuple[str, bool]:
    # suffix, and whether it is packed; asked for each record
    path = Path(name)
    is_packed = path.suffix.lower() in PACKED_SUFFIXES
    return Path(path.stem if is_packed else path.name).suffix.lower(), is_packed


def is_remote(location: str | Path) -> bool:
    """Whether pyarrow's filesystems open a location, because it is a URI."""
    return "://" in str(location)


def find_files(patterns: Sequence[str | Path]) -> list[InputFile]:
    """Find the files that some paths, globs, folders and URIs mean.

    Hidden files in folders, and those that begin with "_", are left out.

    patterns (Sequence[str | Path]): What the user wrote.
    RETURNS (List[InputFile]): The files in order, each once.
    RAISES (FileNotFoundError): If nothing is found.
    RAISES (ValueError): If a file has none of the `SUFFIXES`.
    """
    found: dict[str, InputFile] = {}
    for pattern in map(str, patterns):
        files = list((_find_remote if is_remote(pattern) else _find_local)(pattern))
        if not files:
            raise FileNotFoundError(
                f"{pattern}: no such file, and no file in such a folder or glob, expected one "
                f"ending in {', '.join(SUFFIXES)}. Check the path."
            )
        for file in files:
            found.setdefault(file.location, file)
    odd = [file.name for file in found.values() if file.suffix not in SUFFIXES]
    if odd:
        raise ValueError(
            f"{', '.join(odd[:3])}: expected files ending in {', '.join(SUFFIXES)} (text files "
            "also packed: .jsonl.gz). Rename or convert them, or name only the others."
        )
    return list(found.values())


def _find_local(pattern: str) -> Iterator[InputFile]:
    names = [pattern]
    if not Path(pattern).exists() and glob.has_magic(pattern):
        names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute ones too
    for path in map(Path, names):
        files = [path] if path.exists() else []
        if path.is_dir():
            below = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
            files = [path / name for name in _choose(str(path), below)]
        check_inputs(files)
        yield from (InputFile(file.as_posix(), str(file.resolve())) for file in files)


def _choose(folder: str, names: Sequence[str]) -> list[str]:
    shown = [name for name in names if not any(p[0] in "._" for p in name.split("/"))]
    chosen = [name for name in shown if InputFile(name, "").suffix in SUFFIXES]
    if len(chosen) < len(shown):
        warnings.warn(
            f"{folder}: left out {format_count(len(shown) - len(chosen), 'file')} with other "
            f"endings than {', '.join(SUFFIXES)}.",
            stacklevel=4,
        )
    return chosen


def _find_remote(pattern: str) -> Iterator[InputFile]:
    # the options of the filesystem, after "?", are no part of a name
    wanted, mark, options = pattern.partition("?")
    head = wanted
    if glob.has_magic(wanted):
        head = wanted[: min(map(wanted.index, set("*[") & set(wanted)))].rpartition("/")[0]
    system, path = open_filesystem(head + mark + options)
    fs = import_pyarrow("fs")
    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        yield InputFile(wanted, pattern)
    if info.type != fs.FileType.Directory:
        return
    infos = system.get_file_info(fs.FileSelector(path, recursive=True))
    below = sorted(i.path[len(path) :].lstrip("/") for i in infos if i.type == fs.FileType.File)
    for found in _choose(head, below):
        name = f"{head.rstrip('/')}/{found}"
        if head == wanted or fnmatch.fnmatch(name, wanted):
            yield InputFile(name, f"{head.rstrip('/')}/{quote(found)}{mark}{options}")


def import_pyarrow(module: str) -> Any:
    """Import a module of pyarrow.

    module (str): Such as "fs" or "parquet"; empty for pyarrow itself.
    RETURNS (module): The module.
    RAISES (ValueError): If pyarrow is not installed.
    """
    used_by = "A Parquet file, or a location such as s3://…,"
    return import_extra(f"pyarrow.{module}".rstrip("."), "parquet", used_by=used_by)


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Open the filesystem of a URI.

    uri (str): Such as "s3://bucket/folder", "gs://…", "hdfs://…" or "file:///…".
    RETURNS (Tuple[FileSystem, str]): pyarrow's filesystem, and the path in it.
    RAISES (ValueError): If pyarrow is missing, or does not know the filesystem.
    """
    fs = import_pyarrow("fs")
    try:
        return fs.FileSystem.from_uri(uri)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{uri}: not a location that pyarrow opens ({error}).") from error


@contextmanager
def open_location(location: str) -> Iterator[BinaryIO]:
    """Open the bytes of a path or URI; one can seek in them.

    location (str): A path or URI.
    """
    if is_remote(location):
        system, path = open_filesystem(location)
        with io.BufferedReader(system.open_input_file(path), 1 << 20) as stream:
            yield stream
    else:
        with Path(location).open("rb") as stream:
            yield stream


class OutputFolder:
    """A folder whose files appear under their names only when they are whole.

    location (str): A path or URI.
    """

    def __init__(self, location: str) -> None:
        """Remember the location; nothing is written."""
        self.location = location
        self._system: Any = None
        self._root = location
        if is_remote(location):
            self._system, self._root = open_filesystem(location)

    def read(self, name: str) -> bytes | None:
        """RETURNS (bytes | None): The content of a file; `None` if there is none."""
        with suppress(FileNotFoundError):
            if self._system is None:
                return Path(self._root, name).read_bytes()
            with self._system.open_input_stream(f"{self._root}/{name}") as stream:
                return stream.readall()
        return None

    def list(self, folder: str) -> set[str]:
        """RETURNS (Set[str]): The names of the files in one of its folders, hidden ones too."""
        if self._system is None:
            place = Path(self._root, folder)
            return {path.name for path in place.iterdir()} if place.is_dir() else set()
        fs = import_pyarrow("fs")
        selector = fs.FileSelector(f"{self._root}/{folder}", allow_not_found=True)
        return {info.base_name for info in self._system.get_file_info(selector)}

    @contextmanager
    def new_file(self, name: str) -> Iterator[Path]:
        """Provide a local path to write to; at the end, it becomes the named file.

        name (str): The name in the folder; a file that has it is replaced.
        YIELDS (Path): Where to write.
        RAISES (OSError): If it can't be written, for example because the disk is full.
        """
        target = f"{self._root}/{name}"
        with explained(Path(self.location, name)), ExitStack() as stack:
            if self._system is None:
                path = Path(target)
                path.parent.mkdir(parents=True, exist_ok=True)
                aside = path.with_name(f".{path.name}.{os.getpid()}.part")
                stack.callback(aside.unlink, missing_ok=True)
                yield aside
                with aside.open("rb") as stream:
                    os.fsync(stream.fileno())
                aside.replace(path)
                return
            aside = stack.enter_context(temporary_folder()) / "new"
            yield aside
            self._system.create_dir(target.rpartition("/")[0])
            fs = import_pyarrow("fs")
            local = fs.LocalFileSystem()
            fs.copy_files(
                str(aside), target, source_filesystem=local, destination_filesystem=self._system
            )

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file."""
        with self.new_file(name) as path:
            path.write_bytes(data)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with suppress(FileNotFoundError):
            if self._system is None:
                Path(self._root, name).unlink()
            else:
                self._system.delete_file(f"{self._root}/{name}")
