"""WikiNER's lines, `word|POS|TAG word|POS|TAG …` → sentences."""

from collections.abc import Iterator

from ..bytes.source import Source
from ..faults import Faults
from ..sentence import FormatError, Notes, Sentence
from .table import read_lines, split_at_blanks
from .tag_reader import TagReader


def read_piped(source: Source, *, skip_bad: bool = False, notes: Notes) -> Iterator[Sentence]:
    """Read one sentence per line: `|` precedes POS (if any) and tag of each word.

    Blanks separate the words. A blank line is a document border. A word may contain
    `|`; its POS and tag may not.

    source (Source): The file.
    skip_bad (bool): Leave out, and count, lines with a fault.
    notes (Notes): Takes what was noticed.
    YIELDS (Sentence): The sentences in file order, numbered by document.
    RAISES (FormatError): After the last sentence, for all lines with a word without its
        parts or without a well-formed tag; at once for a line that is too long.
    """
    n_pipes = _count_pipes(source)
    checker = TagReader(source)
    faults = Faults(source.name, skip_bad=skip_bad)
    document, in_document = 0, False
    sentence = None
    for first, lines in read_lines(source):
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                document += in_document
                in_document = False
                continue
            in_document = True
            try:
                sentence = _read_line(line, number, document, n_pipes, checker)
            except FormatError as err:
                sentence = None
                faults.add("malformed word or tag", err)
                faults.skip(f"{source.name}:{number}", notes)
            else:
                yield sentence
    if sentence is not None:
        checker.check_last(sentence.tags[-1], sentence.lines[-1], notes)
    faults.check()


def _read_line(line: str, number: int, document: int, n_pipes: int, checker: TagReader) -> Sentence:
    rows = [cell.rsplit("|", n_pipes) for cell in split_at_blanks(line)]
    for row in rows:
        if len(row) != n_pipes + 1 or not row[0]:
            wanted = "word|POS|TAG" if n_pipes > 1 else "word|TAG"
            raise FormatError(
                checker.source.name,
                f"'{'|'.join(row)[:60]}', expected {wanted}, blanks between words. "
                "Fix the line; the file may be cut.",
                line=number,
            )
    tags = [checker.check(row[-1], number) for row in rows]
    return Sentence([row[0] for row in rows], tags, [number] * len(rows), document)


def _count_pipes(source: Source) -> int:
    # one or two per word: as many as every word of the first sentence has
    line = next((line for _, lines in read_lines(source) for line in lines if line.strip()), "")
    n_pipes = min((cell.count("|") for cell in split_at_blanks(line.strip())), default=0)
    return 2 if n_pipes >= 2 else 1
