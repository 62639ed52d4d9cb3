"""What the two passes of a conversion found → one report, ready for JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import __version__
from ..read.sentence import Notes
from ..read.writers import OUTPUT_SUFFIXES
from .checks import Examiner, PartFacts
from .label_checks import find_conflicts, note_conflicts, note_similar_labels
from .placement import Placement
from .settings import Conversion
from .split import LEFT_OUT
from .survey import Survey, note_script, note_words

MOST_CONFLICTS = 100
# Average pieces of a lower-case word: the default encoder has 1.04 in English, 1.70 in Spanish.
FOREIGN = 1.5
LEAST_PLAIN = 1_000
"""Sentences with different entities whose places the report lists."""

Report = dict[str, Any]
"""A report: text, numbers, lists and dicts of them."""

REPORT_SUFFIXES = (".json", ".md", ".png")
"""Endings of a report's files."""


def find_report_stem(output: str | Path) -> Path:
    """Give the place of a conversion's report: in its folder, or next to its file.

    output (str | Path): The folder or file of the conversion.
    RETURNS (Path): The path of the report's files, without their endings.

    EXAMPLE:
        >>> find_report_stem("corpus.v1").as_posix(), find_report_stem("a/dev.spacy").as_posix()
        ('corpus.v1/report', 'a/dev.report')
    """
    path = Path(output)
    is_file = path.suffix in OUTPUT_SUFFIXES
    return path.with_name(path.stem + ".report") if is_file else path / "report"


def build_report(
    surveys: Sequence[Survey],
    placement: Placement,
    examiner: Examiner,
    settings: Conversion,
    paths: Sequence[Path],
) -> Report:
    """Put together what the two passes found.

    surveys (Sequence[Survey]): The first pass, file by file.
    placement (Placement): Doc and part of each sentence.
    examiner (Examiner): The second pass.
    settings (Conversion): The conversion's settings.
    paths (Sequence[Path]): The file of each part; none if nothing was written.
    RETURNS (Report): The report, ready for JSON.
    """
    notes = Notes()
    for found in (*(survey.notes for survey in surveys), examiner.notes):
        notes.merge(found)
    _note_leaks(surveys, placement, notes)
    _note_parts(placement.names, examiner.parts, notes)
    note_similar_labels({label for part in examiner.parts for label in part.entities}, notes)
    for survey in surveys:
        note_script(survey, settings.lang, notes)
        note_words(survey, notes)
    _note_foreign_encoder(examiner, settings.lang, notes)
    conflicts = find_conflicts(surveys)
    note_conflicts(conflicts, notes)
    n_entities = sum(sum(part.entities.values()) for part in examiner.parts)
    n_cut = sum(examiner.cut_tokens.values())
    return {
        "spacy_bert_ner": __version__,
        "settings": _list_settings(settings),
        "inputs": [_describe_input(survey, placement.names) for survey in surveys],
        "parts": {
            name: _describe_part(part, str(paths[i]) if paths else None)
            for i, (name, part) in enumerate(zip(placement.names, examiner.parts, strict=True))
        },
        "repeats": {
            "sentences": placement.n_repeats,
            "leaks": len(placement.leaks),
            "leaks_left_out": 0 if placement.keeps_leaks else len(placement.leaks),
            "sentences_left_out": placement.parts.count(LEFT_OUT),
            "with_other_entities": len(conflicts),
            "places_with_other_entities": conflicts[:MOST_CONFLICTS],
        },
        "tokenizer": {
            "lang": settings.lang,
            "entities": n_entities,
            "cut": n_cut,
            "kept_share": 1 - n_cut / n_entities if n_entities and examiner.cut_finder else None,
            "cut_by_full_stop": sum(
                n for token, n in examiner.cut_tokens.items() if token.endswith(".")
            ),
            "tokens": dict(examiner.cut_tokens.most_common(20)),
        },
        "encoder": _describe_encoder(examiner, settings),
        "findings": [
            {"kind": kind, "count": note.count, "text": note.text, "places": note.places}
            for kind, note in notes.kinds.items()
        ],
    }


def _describe_input(survey: Survey, names: Sequence[str]) -> Report:
    source = survey.data.source
    return {
        "name": source.name,
        "path": str(source.path),
        "part": None if survey.part is None else names[survey.part],
        "bytes": source.size,
        "sha256": source.sha256,
        "format": survey.data.format,
        "encoding": source.encoding,
        "reading": survey.data.how,
        "non_ascii_bytes": source.n_non_ascii,
        "scheme": survey.scheme,
        "documents": survey.n_documents,
        "sentences": len(survey.keys),
        "tokens": sum(survey.lengths),
        "entities": dict(sorted(survey.entities.items())),
        "stray_tags": survey.n_strays,
    }


def _describe_part(part: PartFacts, path: str | None) -> Report:
    return {
        "path": path,
        "docs": part.docs,
        "sentences": part.sentences,
        "tokens": part.tokens,
        "entities": dict(sorted(part.entities.items())),
        "lengths": {str(n): part.lengths[n] for n in sorted(part.lengths)},
    }


def _describe_encoder(examiner: Examiner, settings: Conversion) -> Report | None:
    if settings.count_pieces is None:
        return None
    return {
        "window": settings.window,
        "words_without_piece": examiner.n_without_piece,
        "distinct_words_without_piece": len(examiner.words_without_piece),
        "sentences_longer_than_window": examiner.n_too_long,
        "pieces_per_plain_word": examiner.n_plain_pieces / max(1, examiner.n_plain),
    }


def _note_foreign_encoder(examiner: Examiner, lang: str, notes: Notes) -> None:
    share = examiner.n_plain_pieces / max(1, examiner.n_plain)
    if examiner.n_plain < LEAST_PLAIN or share < FOREIGN:
        return
    notes.add(
        "foreign-encoder",
        f"words in lower case, cut into {share:.1f} pieces on average: the encoder has hardly seen "
        f"this language (1.0 to 1.3 are usual for one that has). Take an encoder of '{lang}', or a "
        "multilingual one such as hub:intfloat/multilingual-e5-small. On Spanish news, the default "
        "encoder costs 3.6 points of F1",
        count=examiner.n_plain,
    )


def _list_settings(settings: Conversion) -> Report:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    values["label_map"] = dict(settings.label_map)
    values["columns"] = dict(settings.columns)
    values["annotated"] = list(settings.annotated)
    values["tag_names"] = list(settings.tag_names)
    del values["count_pieces"]
    return values


def _note_leaks(surveys: Sequence[Survey], placement: Placement, notes: Notes) -> None:
    if not placement.leaks:
        return
    places = [f"{survey.data.source.name}:{line}" for survey in surveys for line in survey.lines]
    done = "kept" if placement.keeps_leaks else "left out of the earlier part"
    for i in placement.leaks:
        notes.add("leak", f"sentences that a later part has too, {done}", places[i])


def _note_parts(names: Sequence[str], parts: Sequence[PartFacts], notes: Notes) -> None:
    named = list(zip(names, parts, strict=True))
    everywhere: Counter[str] = Counter()
    for part in parts:
        everywhere.update(part.entities.keys())
    for name, part in named:
        if not part.docs:
            notes.add("empty-part", "parts without sentences", name)
        elif not part.entities:
            notes.add("no-entity", "parts without entities", name)
    for label, n_parts in sorted(everywhere.items()):
        if n_parts < len(parts):
            has = ", ".join(name for name, part in named if part.entities[label])
            text = "labels that are not in every part (`stratify` spreads rare ones)"
            notes.add("label-missing", text, f"{label}: only in {has}")
