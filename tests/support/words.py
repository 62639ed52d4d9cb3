"""Words, their docs and the table that cuts them."""

from pathlib import Path

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_bert_ner.pieces.cutter import read_word_cutter
from spacy_bert_ner.pieces.table import WordTable

WORDS = [
    "alex",
    "lives",
    "in",
    "Zürich",
    ",",
    "",
    "don't",
    "2024",
    "[SEP]",
    "\u200b",
    "x" * 60,
    "né",
]
TEXT = "Alex lives in London, and no one is in Paris. Yes (no) one-two?"


def read_table(path: Path, **options):
    cutter = read_word_cutter(path)
    return WordTable(
        cutter,
        unknown=cutter.unknown,
        limit=options.pop("limit", 38),
        has_blanks=cutter.has_blanks,
        first_has_blank=cutter.first_has_blank,
        **options,
    )


def make_doc(words, spaces=None):
    return Doc(Vocab(), words=list(words), spaces=spaces)
