"""A corpus → its sentences, numbered, so that an answer finds its sentence again."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.tokens import Span as DocSpan
from spacy.vocab import Vocab

from ..corpus.docbin import copy_sentence, read_docs
from ..schemes import Span

_INSIDE, _BEGIN = 1, 3  # as spaCy numbers `ent_iob`


class GoldSentence(NamedTuple):
    """One sentence of a corpus.

    doc (int): Number of its doc in the file, from 0.
    start (int): Its first token in that doc.
    gold (Doc): Its words and gold entities, as a doc. Of an entity that goes beyond the
        sentence, the tokens are missing.
    n_cut (int): Entities that begin in it and go beyond it.
    """

    doc: int
    start: int
    gold: Doc
    n_cut: int = 0


def read_sentences(path: Path, vocab: Vocab) -> Iterator[GoldSentence]:
    """Read the sentences of a corpus; a doc without marked sentences is one.

    path (Path): The `.spacy` file.
    vocab (Vocab): The vocabulary of the docs.
    YIELDS (GoldSentence): The sentences in file order.
    """
    for number, doc in enumerate(read_docs(path, vocab)):
        for sent in split_doc(doc):
            yield GoldSentence(number, sent.start, copy_sentence(sent), int(is_cut(sent)))


def is_cut(sent: DocSpan) -> bool:
    """Whether an entity begins in a sentence and goes beyond it."""
    if sent.end == len(sent.doc) or sent.doc[sent.end].ent_iob != _INSIDE:
        return False
    last = next((token for token in reversed(list(sent)) if token.ent_iob != _INSIDE), None)
    return last is not None and last.ent_iob == _BEGIN


def split_doc(doc: Doc) -> list[DocSpan]:
    """Split a doc into its marked sentences; give the whole doc if none are marked."""
    if not len(doc):
        return []
    return list(doc.sents) if doc.has_annotation("SENT_START") else [doc[:]]


def name_place(sentence: GoldSentence, start: int, end: int) -> str:
    """Name a place: the doc, the tokens in it, and a hash of the sentence's words.

    sentence (GoldSentence): The sentence.
    start (int): First token of the place, in the sentence.
    end (int): The token after the last.
    RETURNS (str): An id such as "12-30-33-35-9f86d081": doc, first token of the
        sentence, the place in tokens of the doc, hash.
    """
    first = sentence.start
    numbers = [sentence.doc, first, first + start, first + end]
    return "-".join(map(str, [*numbers, hash_words(sentence.gold)]))


def hash_words(doc: Doc | DocSpan) -> str:
    """Hash the words of a sentence to 8 hex digits."""
    text = "\n".join(token.text for token in doc)
    return hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:8]


def to_chars(doc: Doc, spans: Sequence[Span]) -> list[Span]:
    """Give spans of tokens in characters."""
    return [
        (doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label) for start, end, label in spans
    ]
