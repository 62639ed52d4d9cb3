"""A plain, gzipped or zipped file → its unpacked bytes, damage told in words."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .sentence import FormatError

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)


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
    if not path.exists() and ".zip:" in location:
        head, _, wanted = location.partition(".zip:")
        path = Path(head + ".zip")
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file. Check the path; data of the project's own datasets comes with "
            "`python -m spacy project assets`; your own file can stand anywhere: give its path."
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

    RAISES (FormatError): In reading, if the packed data are damaged, cut or locked.
    """
    name = f"{path.name}:{member}" if member else path.name
    if member:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(member).flag_bits & 1:
                raise FormatError(name, "locked with a password. Unpack it and give the file.")
            try:
                packed = archive.open(member)
            except (*_DAMAGE, NotImplementedError) as err:
                raise FormatError(name, f"damaged zip file ({err}). Fetch it again.") from err
            with packed:
                yield io.BufferedReader(_Checked(packed, name), 1 << 18)
    elif path.suffix.lower() == ".gz":
        with gzip.open(path) as stream:
            yield io.BufferedReader(_Checked(stream, name), 1 << 18)
    else:
        with path.open("rb") as stream:
            yield stream


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
        except (*_DAMAGE, NotImplementedError) as err:
            raise FormatError(
                self._name, f"damaged or cut packed data ({err}). Fetch or pack it again."
            ) from err
        buffer[: len(data)] = data
        return len(data)


def _is_clutter(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX/") or Path(name).name.startswith(".")


def _choose_member(path: Path, names: list[str], wanted: str) -> str:
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
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
