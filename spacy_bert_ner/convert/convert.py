"""Annotated files → Docs with natural spacing → a split without leaks → files, and a report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

from ..files import replaced_files
from ..progress import ShowProgress, hide_progress
from ..read.languages import MissingTokenizerError, make_tokenizer
from ..read.sentence import DocData, Sentence
from ..read.writers import (
    OUTPUT_SUFFIXES,
    WRITTEN_FORMATS,
    find_written_format,
    note_losses,
    open_writer,
)
from ..targets import check_targets
from .checks import CutFinder, Examiner
from .data_report import REPORT_SUFFIXES, Report, build_report, find_report_stem
from .datasets import check_pin
from .docs import sentences_to_doc_data
from .label_checks import check_labels
from .placement import Placement, place_sentences
from .settings import Conversion, parse_input
from .spacing import Spacer
from .split import LEFT_OUT, PARTS
from .survey import Survey, survey_file

DocParts = tuple[int, Survey, list[Sentence], DocData]
"""Number of the part, the file, the sentences and what they make."""


def convert(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    settings: Conversion | None = None,
    dataset: str | None = None,
    force: bool = False,
    write_report: Callable[[Report, Path], Sequence[Path]] | None = None,
    progress: ShowProgress = hide_progress,
) -> Report:
    """Convert annotated data, and report what is in it.

    Files are read twice: once to recognise and to count, once to write. Memory grows
    with the sentences and the distinct words, not with the texts. Nothing that exists
    is overwritten, and inputs never are.

    inputs (Sequence[str | Path]): Files; `train=FILE`, `dev=FILE`, `test=FILE` give a
        file to a part.
    output (str | Path | None): A file for one part, a folder for several; None writes
        nothing. A file ends as `WRITTEN_FORMATS` of `read.writers` says.
    settings (Conversion | None): How to convert; the defaults if None.
    dataset (str | None): Name of a published dataset that the inputs must be.
    force (bool): Replace what an earlier conversion wrote to the output. Other files
        stay, except those of the same name.
    write_report (Callable | None): Writes the report next to the parts, given a path
        without an ending; see `write_data_report`.
    progress (ShowProgress): Watches both passes.
    RETURNS (Report): The report, ready for JSON.
    RAISES (TargetExistsError): If a file to write exists, without `force`.
    RAISES (ValueError): For inputs and settings that do not fit each other; a
        `FormatError` for a file that cannot be read.
    RAISES (FileNotFoundError): If an input is missing.
    """
    settings = settings or Conversion()
    given = [parse_input(str(item)) for item in inputs]
    names = find_part_names([part for part, _ in given], settings, output)
    paths = find_paths(names, output, settings.to)
    stem = find_report_stem(output) if output is not None and write_report is not None else None
    pages = [stem.with_name(stem.name + suffix) for suffix in REPORT_SUFFIXES] if stem else []
    check_targets(files=[*paths, *pages], inputs=[find_file(loc) for _, loc in given], force=force)
    files = [settings.open(location) for _, location in given]
    for file in files:
        check_pin(dataset, file.source)
    surveys = [
        survey_file(file, part=names.index(part) if part else None, progress=progress)
        for file, (part, _) in zip(files, given, strict=True)
    ]
    check_labels(surveys, settings.label_map, settings.annotated)
    placement = place_sentences(surveys, names, settings)
    examiner = make_examiner(surveys, len(names), settings)
    docs = progress(
        make_docs(surveys, placement, settings), text="Converting", total=count_kept_docs(placement)
    )
    if not paths:
        for doc in docs:
            examiner.add(*doc)
        return build_report(surveys, placement, examiner, settings, paths)
    record = f"{stem.name}.json" if stem else None
    with replaced_files(paths[0].parent, force=force, record=record) as folder:
        aside = [folder / path.name for path in paths]
        n_tokens = count_tokens(surveys, placement)
        write_docs(docs, aside, n_tokens, examiner, to=settings.to)
        report = build_report(surveys, placement, examiner, settings, paths)
        if stem is not None and write_report is not None:
            write_report(report, folder / stem.name)
    return report


def find_part_names(
    parts: Sequence[str | None], settings: Conversion, output: str | Path | None
) -> list[str]:
    """Name the parts that will be made.

    parts (Sequence[str | None]): Parts that inputs were given to.
    settings (Conversion): For its split.
    output (str | Path | None): Where an only part goes.
    RETURNS (list[str]): One or more of `PARTS`, or a name for an only part.
    RAISES (ValueError): If inputs, split and output do not fit each other.
    """
    if not parts:
        raise ValueError("No input, expected at least one file, then the output.")
    named = [part for part in PARTS if part in parts]
    if named and None in parts:
        raise ValueError(
            "Some inputs have a part (train=FILE) and some have none. Give each of them a part."
        )
    if named and settings.split:
        raise ValueError(
            f"Inputs are given to {', '.join(named)}, and there is a split {settings.split}. "
            "Leave one of them out."
        )
    is_file = output is not None and Path(output).suffix in OUTPUT_SUFFIXES
    if is_file and (settings.split or len(named) > 1):
        raise ValueError(f"{output} is one file for several parts. Name a folder.")
    if settings.shares:
        return list(PARTS[: len(settings.shares)])
    if named:
        return named
    if output is not None and not is_file:
        raise ValueError(
            f"{output} has none of the endings {', '.join(OUTPUT_SUFFIXES)}, so it is taken for a "
            "folder of several parts, and there is one. Give a split "
            '(`split = "80/10/10"`), give inputs to parts (train=FILE dev=FILE), or name a file '
            "with one of these endings."
        )
    return [Path(output).stem if output is not None else "all"]


def find_paths(names: Sequence[str], output: str | Path | None, to: str | None) -> list[Path]:
    """Name the file of each part.

    names (Sequence[str]): The parts.
    output (str | Path | None): A file or a folder; None writes nothing.
    to (str | None): The format to write.
    RETURNS (list[Path]): The files; none if nothing is to be written.
    RAISES (ValueError): If the file's ending is not that of the format.
    """
    if output is None:
        return []
    path = Path(output)
    if path.suffix in OUTPUT_SUFFIXES:
        find_written_format(path, to)
        return [path]
    return [path / f"{name}{WRITTEN_FORMATS[to or 'spacy']}" for name in names]


def find_file(location: str) -> str:
    """RETURNS (str): The file of `FILE` or `ARCHIVE:MEMBER`, as far as it exists."""
    archive = location.rpartition(":")[0]
    return archive if archive and not Path(location).exists() else location


def make_examiner(surveys: Sequence[Survey], n_parts: int, settings: Conversion) -> Examiner:
    """Make what checks the docs on their way."""
    pieces = None
    if settings.count_pieces is not None:
        words = list(Counter(word for survey in surveys for word in survey.words))
        pieces = dict(zip(words, settings.count_pieces(words), strict=True))
    examiner = Examiner(n_parts, pieces=pieces, window=settings.window)
    try:
        examiner.cut_finder = CutFinder(make_tokenizer(settings.lang))
    except MissingTokenizerError as err:
        examiner.notes.add("no-tokenizer", f"borders of entities were not checked. {err}")
    return examiner


def make_docs(
    surveys: Sequence[Survey], placement: Placement, settings: Conversion
) -> Iterator[DocParts]:
    """Read the files again and make the docs that the placement wants.

    surveys (Sequence[Survey]): The files.
    placement (Placement): Doc and part of each sentence.
    settings (Conversion): Spacing and labels.
    YIELDS (DocParts): The docs in file order.
    """
    spacer = Spacer(settings.lang) if settings.spacing == "natural" else None
    annotated = settings.annotated
    sentences = ((survey, sent) for survey in surveys for sent in survey.data.sentences())
    numbered = zip(placement.docs, placement.parts, sentences, strict=True)
    kept = (item for item in numbered if item[1] != LEFT_OUT)
    for (_, part), run in groupby(kept, key=_doc_and_part):
        items = [item for _, _, item in run]
        doc_sentences = [sentence for _, sentence in items]
        doc = sentences_to_doc_data(
            doc_sentences, spacer=spacer, label_map=settings.label_map, annotated=annotated
        )
        yield part, items[0][0], doc_sentences, doc


def count_kept_docs(placement: Placement) -> int:
    """RETURNS (int): Docs of all parts."""
    numbered = zip(placement.docs, placement.parts, strict=True)
    return len({doc for doc, part in numbered if part != LEFT_OUT})


def count_tokens(surveys: Sequence[Survey], placement: Placement) -> list[int]:
    """RETURNS (list[int]): Tokens of each part."""
    totals = [0] * len(placement.names)
    lengths = (length for survey in surveys for length in survey.lengths)
    for part, length in zip(placement.parts, lengths, strict=True):
        if part != LEFT_OUT:
            totals[part] += length
    return totals


def write_docs(
    docs: Iterable[DocParts],
    paths: Sequence[Path],
    n_tokens: Sequence[int],
    examiner: Examiner,
    *,
    to: str | None = None,
) -> None:
    """Examine the docs and write each to its part; no file is left half written."""
    written = find_written_format(paths[0], to)
    with ExitStack() as stack:
        writers = []
        for path, n in zip(paths, n_tokens, strict=True):
            writers.append(open_writer(path, n_tokens=n, to=written))
            stack.callback(writers[-1].discard)
        for part, survey, sentences, doc in docs:
            examiner.add(part, survey, sentences, doc)
            note_losses(doc, written, examiner.notes)
            writers[part].add(doc)
        for writer in writers:
            writer.close()


def _doc_and_part(item: tuple[int, int, object]) -> tuple[int, int]:
    return item[0], item[1]
