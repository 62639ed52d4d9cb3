"""WikiNER's lines, `word|POS|TAG word|POS|TAG …` → sentences."""

from collections.abc import Iterator

from .sentence import FormatError, Notes, Sentence
from .source import Source
from .table import split_at_blanks
from .tags import TagReader


def read_piped(source: Source, *, notes: Notes) -> Iterator[Sentence]:
    """Read a sentence a line: blanks between words, `|` before POS (if any) and tag.

    A blank line is a document border. The word may hold `|`, POS and tag may not.

    source (Source): The file.
    YIELDS (Sentence): The sentences in file order, numbered by document.
    RAISES (FormatError): At the first word without its parts or a well-formed tag.
    """
    n_pipes = _count_pipes(source)
    checker = TagReader(source)
    document, in_document, number = 0, False, 0
    tags: list[str] = []
    with source.open_text() as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                document += in_document
                in_document = False
                continue
            in_document = True
            rows = [cell.rsplit("|", n_pipes) for cell in split_at_blanks(line.rstrip("\n"))]
            for row in rows:
                if len(row) != n_pipes + 1 or not row[0]:
                    wanted = "word|POS|TAG" if n_pipes > 1 else "word|TAG"
                    raise FormatError(
                        source.name,
                        f"'{'|'.join(row)}', expected {wanted}, blanks between words. "
                        "Fix the line; the file may be cut.",
                        line=number,
                    )
            tags = [checker.check(row[-1], number) for row in rows]
            yield Sentence([row[0] for row in rows], tags, [number] * len(rows), document)
    if tags:
        checker.check_last(tags[-1], number, notes)


def _count_pipes(source: Source) -> int:
    # one or two for each word: as many as every word of the first sentence has
    with source.open_text() as file:
        line = next((line for line in file if line.strip()), "")
    n_pipes = min((cell.count("|") for cell in split_at_blanks(line.strip())), default=0)
    return 2 if n_pipes >= 2 else 1
