"""A plain, packed or zipped file → its unpacked bytes; damage is an error in words."""

import bz2
import gzip
import importlib
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..sentence import FormatError

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""Endings of packed files of one member."""

_MEMBER = re.compile(r"(.+?\.zip):(.*)", re.IGNORECASE | re.DOTALL)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, lzma.LZMAError)


def find_member(location: str) -> tuple[Path, str]:
    """Find the file that `file`, `file.zip` or `file.zip:member` means.

    A zip with one file needs no member name; of a member name its last parts are
    enough. Only the central directory is read, nothing is unpacked to disk.

    location (str): What the user wrote.
    RETURNS (tuple[Path, str]): The file and the member's full name, or "".
    RAISES (FileNotFoundError): If the file is missing.
    RAISES (FormatError): If the zip is damaged, or the member missing or unclear.
    """
    path, wanted = Path(location), ""
    if not path.exists() and (match := _MEMBER.fullmatch(location)):
        path, wanted = Path(match[1]), match[2]
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file. Check the path; data of the project's own datasets comes with "
            "`python -m spacy project assets`; your own file can be anywhere: give its path."
        )
    if path.suffix.lower() != ".zip" or path.is_dir():
        return path, ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not _is_clutter(name)]
    except _DAMAGE as err:
        raise FormatError(path.name, f"damaged zip file ({err}). Fetch it again.") from err
    return path, _choose_member(path, names, wanted)


@contextmanager
def open_packed(path: Path, member: str) -> Iterator[BinaryIO]:
    """Open the unpacked bytes of a file, as `find_member` names it.

    How a file is packed is told by its first bytes, whatever its name.

    RAISES (FormatError): In reading, if the packed data are damaged, cut or locked, or
        packed in a way that this Python does not know.
    """
    name = f"{path.name}:{member}" if member else path.name
    if member:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(member).flag_bits & 1:
                raise FormatError(name, "locked with a password. Unpack it and give the file.")
            try:
                packed: Any = archive.open(member)
            except (*_DAMAGE, NotImplementedError) as err:
                raise FormatError(name, f"damaged zip file ({err}). Fetch it again.") from err
            with packed, unpack(packed, name) as unpacked:
                yield io.BufferedReader(_Checked(unpacked, name), 1 << 18)
        return
    with path.open("rb") as stream, unpack(stream, name) as unpacked:
        yield unpacked


@contextmanager
def unpack(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Open the unpacked bytes of a stream; plain ones stay as they are.

    stream (BinaryIO): The packed or plain bytes, at their beginning.
    name (str): What messages call the file.
    RAISES (FormatError): As `open_packed` does.
    """
    start = _Checked(stream, name).read(6)
    stream.seek(0)
    opener = next((_OPENERS[magic] for magic in _OPENERS if start.startswith(magic)), None)
    if opener is None:
        yield stream
        return
    with opener(stream, name) as unpacked:
        yield io.BufferedReader(_Checked(unpacked, name), 1 << 18)


def _open_gzip(stream: BinaryIO, name: str) -> Any:
    return gzip.open(stream)


def _open_bzip2(stream: BinaryIO, name: str) -> Any:
    return bz2.open(stream)


def _open_xz(stream: BinaryIO, name: str) -> Any:
    return lzma.open(stream)


def _open_zstd(stream: BinaryIO, name: str) -> Any:
    # part of Python from 3.14 on
    for module in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return importlib.import_module(module).open(stream)
    raise FormatError(
        name,
        "packed with Zstandard, which this Python cannot unpack. Unpack it (unzstd FILE), or run "
        "`pip install backports.zstd`.",
    )


_OPENERS = {
    b"\x1f\x8b": _open_gzip,
    b"BZh": _open_bzip2,
    b"\xfd7zXZ\0": _open_xz,
    b"\x28\xb5\x2f\xfd": _open_zstd,
}


class _Checked(io.RawIOBase):
    # turns what unpacking raises, and only that, into a FormatError

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (*_DAMAGE, OSError, NotImplementedError) as err:
            if isinstance(err, OSError) and err.errno is not None:
                raise  # the disk, not the data
            raise FormatError(
                self._name, f"damaged or cut packed data ({err}). Fetch or pack it again."
            ) from err
        buffer[: len(data)] = data
        return len(data)


def _is_clutter(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX/") or Path(name).name.startswith(".")


def _choose_member(path: Path, names: list[str], wanted: str) -> str:
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    if not names:
        raise FormatError(path.name, "a zip without a file. Pack it again.")
    if not wanted and len(names) == 1:
        return names[0]
    if not wanted:
        raise FormatError(
            path.name,
            f"a zip of {len(names)} files ({listed}), expected one. "
            f"Name the member: {path.name}:MEMBER.",
        )
    if wanted in names:
        return wanted
    found = [name for name in names if name.endswith("/" + wanted)]
    if len(found) != 1:
        raise FormatError(
            path.name, f"{len(found)} members are named '{wanted}', expected one of: {listed}."
        )
    return found[0]
