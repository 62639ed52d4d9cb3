"""The form in which each format registers: how it is recognised, and how it is read."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .bytes.source import Source
from .sentence import Sentence
from .settings import ReadSettings

Reader = Callable[..., Iterator[Sentence]]
"""Gives the sentences anew at each call; takes `notes`."""


class Opened(NamedTuple):
    """A file that is ready to be read.

    read (Reader): Gives the sentences.
    how (str): How the file is read and why, where this is not obvious: shown to the user.
    has_texts (bool): Whether it holds texts with spaces, and not sentences of words.
    """

    read: Reader
    how: str = ""
    has_texts: bool = False


class FileFormat(NamedTuple):
    """One format: how it is recognised and read.

    name (str): Its name for the user.
    recognise (Callable): Whether a source, of whose text (if it is text) the first 64k
        characters are given too, has this format.
    open (Callable): Looks at the whole file, if it has to, and gives its reader.
    """

    name: str
    recognise: Callable[[Source, str], bool]
    open: Callable[[Source, ReadSettings], Opened]
