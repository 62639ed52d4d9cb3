"""Surveys of the input files → for each sentence its doc and its part."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..read.sentence import FormatError
from .settings import Conversion
from .split import LEFT_OUT, draw_parts, draw_sample, find_leaks
from .survey import Survey


@dataclass
class Placement:
    """Where each sentence goes, all files one after another.

    names (list[str]): Names of the parts.
    docs (list[int]): Number of each sentence's doc.
    parts (list[int]): Number of each sentence's part, or `LEFT_OUT`.
    n_repeats (int): Sentences that the input has earlier already.
    leaks (list[int]): Sentences that a later part has too.
    keeps_leaks (bool): Whether they are written nevertheless.
    """

    names: list[str]
    docs: list[int]
    parts: list[int]
    n_repeats: int
    leaks: list[int]
    keeps_leaks: bool


def place_sentences(
    surveys: Sequence[Survey], names: Sequence[str], settings: Conversion
) -> Placement:
    """Decide for each sentence which doc and which part it belongs to.

    surveys (Sequence[Survey]): The files; without a split, with their parts.
    names (Sequence[str]): Names of the parts.
    settings (Conversion): Docs, split, seed and limits.
    RETURNS (Placement): The placement.
    RAISES (FormatError): If documents are asked for and a file marks none.
    """
    keys = [key for survey in surveys for key in survey.keys]
    labels = [names for survey in surveys for names in survey.labels] if settings.stratify else None
    doc_numbers = _number_docs(surveys, settings.docs)
    if settings.shares is None:
        parts = [survey.part or 0 for survey in surveys for _ in survey.keys]
    else:
        groups: Sequence[Hashable] = doc_numbers
        if settings.split_by == "document":
            groups = _number_docs(surveys, "document")
        elif not settings.allow_leaks:
            groups = _group_repeats(keys, doc_numbers)
        parts = draw_parts(groups, settings.shares, seed=settings.seed, labels=labels)
    leaks = find_leaks(keys, parts)
    if not settings.allow_leaks:
        for i in leaks:
            parts[i] = LEFT_OUT
    for part, limit in enumerate(settings.find_limits(names)):
        if limit:
            _limit_part(parts, part, doc_numbers, limit, settings.seed, labels)
    n_repeats = len(keys) - len(set(keys))
    return Placement(list(names), doc_numbers, parts, n_repeats, leaks, settings.allow_leaks)


def _number_docs(surveys: Sequence[Survey], docs: str) -> list[int]:
    numbers: list[int] = []
    for survey in surveys:
        way = docs
        if docs == "auto":
            way = "document" if survey.data.has_texts else "sentence"
        elif docs == "document" and not survey.n_documents:
            raise FormatError(
                survey.data.source.name,
                "no border between documents, expected -DOCSTART- lines or the like. Set `docs` to "
                "sentence, or to a number of sentences.",
            )
        numbers.extend(_number_file(survey, way, numbers[-1] + 1 if numbers else 0))
    return numbers


def _number_file(survey: Survey, way: str, first: int) -> Iterator[int]:
    size = {"sentence": 1, "document": len(survey.keys)}.get(way) or int(way)
    number = first
    for _, run in groupby(survey.documents):
        n_sentences = sum(1 for _ in run)
        for i in range(n_sentences):
            yield number + i // size
        number += (n_sentences - 1) // size + 1


def _group_repeats(keys: Sequence[int], doc_numbers: Sequence[int]) -> list[Hashable]:
    # docs of the same sentences are one group
    groups: list[Hashable] = []
    for _, run in groupby(zip(doc_numbers, keys, strict=True), key=_first):
        doc = tuple(key for _, key in run)
        groups.extend([doc] * len(doc))
    return groups


def _limit_part(
    parts: list[int],
    part: int,
    doc_numbers: Sequence[int],
    limit: int,
    seed: int,
    labels: Sequence[Sequence[str]] | None,
) -> None:
    members = [i for i, number in enumerate(parts) if number == part]
    kept = draw_sample(
        [doc_numbers[i] for i in members],
        limit,
        seed=seed,
        labels=None if labels is None else [labels[i] for i in members],
    )
    for i in members:
        if doc_numbers[i] not in kept:
            parts[i] = LEFT_OUT


def _first(pair: tuple[int, int]) -> int:
    return pair[0]
