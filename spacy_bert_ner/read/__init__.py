"""The file formats, in and out, and every format error. No other room knows them."""

from .data_file import FORMATS, DataFile, make_tokenizer, open_data
from .sentence import DocData, FormatError, Note, Notes, Sentence
from .source import Source
from .writers import OUTPUT_SUFFIXES, Writer, open_writer

__all__ = [
    "FORMATS",
    "OUTPUT_SUFFIXES",
    "DataFile",
    "DocData",
    "FormatError",
    "Note",
    "Notes",
    "Sentence",
    "Source",
    "Writer",
    "make_tokenizer",
    "open_data",
    "open_writer",
]
