"""A pipeline and a corpus → the results, in the form of `metrics.json`."""

import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from spacy.language import Language

from ..pipe.factory import require_doc_ents
from ..progress import ShowProgress, hide_progress
from ..train.log import read_log
from .certainty import score_certainty
from .counts import Scores, count_spans, summarize
from .errors import summarize_errors
from .intervals import compare_counts, count_docs, find_intervals
from .lines import Line
from .partial import score_partial
from .predict import View, measure_speed, predict_view
from .probe import count_pieces, probe_tags
from .provenance import describe_file, describe_machine, describe_pipeline
from .robustness import score_robustness
from .rules import score_by_rules
from .slices import read_seen, score_lengths, score_seen
from .sources import Sources, read_data_report
from .tokens import list_tag_pairs, score_pieces, score_tags

SCHEMA_VERSION = 1
"""The version of metrics.json in docs/metrics.md; raise it when a value changes its meaning."""

SEED = 0


class Evaluation(NamedTuple):
    """One pipeline's results, and the lines that they were computed from.

    metrics (Dict[str, Any]): The results, ready for JSON.
    views (Dict[str, View]): "words" (the corpus's own words) and "text" (raw text).
    """

    metrics: Scores
    views: dict[str, View]


def evaluate_model(
    nlp: Language,
    model: str | Path,
    data: Path,
    sources: Sources,
    *,
    title: str | None = None,
    progress: ShowProgress = hide_progress,
) -> Evaluation:
    """Measure everything that a report shows about a pipeline.

    nlp (Language): The pipeline.
    model (str | Path): Its folder or package, as the user named it.
    data (Path): The gold docs, a `.spacy` file.
    sources (Sources): Further files about the model.
    title (str | None): Name of the model in the report; `None` for its own name.
    progress (ShowProgress): Watches the docs.
    RETURNS (Evaluation): The results.
    RAISES (ValueError): If no doc has tokens, or the pipeline does not write to
        `doc.ents`.
    """
    advice = "Score it with `spacy evaluate`, which gives the same precision and recall."
    require_doc_ents(nlp, "a report is about", advice=advice)
    started, start = datetime.now(timezone.utc), perf_counter()
    words = predict_view(nlp, data, gold_words=True, progress=progress)
    if not words.lines:
        raise ValueError(
            f"{data}: no doc with a token, expected gold docs (.spacy). Convert the data with "
            "`python -m spacy bert-ner convert`."
        )
    warn_of_unknown(nlp, data, words.lines)
    text = predict_view(nlp, data, gold_words=False, progress=progress)
    pairs = list_tag_pairs(words.lines)
    greedy = probe_tags(nlp, data)
    metrics = {
        "schema": "spacy-bert-ner.metrics",
        "schema_version": SCHEMA_VERSION,
        "model": describe_pipeline(nlp, model, title=title),
        "data": {**describe_file(data), **count_data(words.lines, text.lines)},
        "words": score_view(words),
        "text": score_view(text),
        "rules": {
            "decoded": score_by_rules(pairs),
            "best_tags": greedy and {key: greedy[key] for key in ("rules", "ill_formed")},
        },
        "loss": greedy and greedy["loss"],
        "tokens": score_tags(pairs),
        "pieces": score_word_pieces(nlp, words.lines),
        **score_lengths(words.lines),
        "seen": sources.train and score_seen(words.lines, read_seen(sources.train)),
        "robustness": score_robustness(nlp, data),
        "train": sources.train and describe_file(sources.train),
        "speed": measure_speed(nlp, text),
        "learning_curve": read_log(sources.log) if sources.log else None,
        "data_report": sources.data_report and read_data_report(sources.data_report),
        "machine": describe_machine(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(perf_counter() - start, 1),
    }
    return Evaluation(metrics, {"words": words, "text": text})


def warn_of_unknown(nlp: Language, data: Path, lines: Sequence[Line]) -> None:
    """Warn of gold entities with labels that the pipeline does not have.

    nlp (Language): The pipeline.
    data (Path): The gold docs.
    lines (Sequence[Line]): What it found in them.
    """
    known = {label for labels in nlp.pipe_labels.values() for label in labels}
    known |= {span[2] for line in lines for span in line.found}
    unknown = [span[2] for line in lines for span in line.gold if span[2] not in known]
    if unknown:
        warnings.warn(
            f"{data}: the pipeline does not have the labels {', '.join(sorted(set(unknown)))}, so "
            f"it misses {len(unknown):,} of the gold entities. If it has them under other names, "
            "rename them when you convert the data (`label_map`).",
            stacklevel=2,
        )


def score_view(view: View) -> Scores:
    """Compute all scores of the entities of one view.

    view (View): The predictions of the pipeline.
    RETURNS (Dict[str, Any]): The scores of `summarize`, "intervals", "partial",
        "errors", "certainty", and "spacy" (the scores of spaCy's own scorer).
    """
    by_label = count_spans((line.gold, line.found) for line in view.lines)
    labels = list(by_label)
    return {
        **summarize(by_label),
        "intervals": find_intervals(count_docs(view.lines, labels), labels, seed=SEED),
        "partial": score_partial((line.gold, line.found) for line in view.lines),
        "errors": summarize_errors(view.lines),
        "certainty": score_certainty(view.lines),
        "spacy": {key: view.spacy[f"ents_{key}"] for key in "prf"},
        "n_ignored": sum(line.n_ignored for line in view.lines),
        "seconds": round(view.seconds, 3),
    }


def count_data(words: Sequence[Line], text: Sequence[Line]) -> Scores:
    """Count the docs, sentences, words and entities of the gold docs.

    words (Sequence[Line]): One line for each sentence, from the corpus's own words.
    text (Sequence[Line]): One line for each doc, from raw text.
    RETURNS (Dict[str, Any]): "n_docs", "n_sentences", "n_words", "n_entities".
    """
    return {
        "n_docs": len(text),
        "n_sentences": len(words),
        "n_words": sum(line.n_words for line in words),
        "n_entities": sum(len(line.gold) for line in words),
    }


def score_word_pieces(nlp: Language, lines: Sequence[Line]) -> Scores | None:
    """Score tags repeated for each wordpiece; see `score_pieces`.

    nlp (Language): The pipeline.
    lines (Sequence[Line]): The lines, of the corpus's own words.
    RETURNS (Dict[str, Any] | None): Micro scores; `None` unless the pipeline has an
        encoder of this package.
    """
    words = [[line.text[start:end] for start, end in line.units] for line in lines]
    lengths = count_pieces(nlp, words)
    if lengths is None:
        return None
    pairs = [(line.gold_tags, line.found_tags) for line in lines]
    return score_pieces(pairs, lengths)


def compare_models(ours: Evaluation, other: Evaluation) -> Scores:
    """Test whether two pipelines differ on the same data by more than chance.

    ours (Evaluation): The results of one pipeline.
    other (Evaluation): The results of the other one, on the same data.
    RETURNS (Dict[str, Any]): For "words" and "text", the result of `compare_counts`,
        and how many entities only one of the two gets right.
    """
    found: Scores = {}
    for name, view in ours.views.items():
        other_lines = other.views[name].lines
        labels = sorted(
            {span[2] for x in (*view.lines, *other_lines) for span in (*x.gold, *x.found)}
        )
        counts = [count_docs(lines, labels).sum(axis=1) for lines in (view.lines, other_lines)]
        rights = [_list_right(lines) for lines in (view.lines, other_lines)]
        found[name] = {
            **compare_counts(*counts, seed=SEED),
            "right_only_here": len(rights[0] - rights[1]),
            "right_only_there": len(rights[1] - rights[0]),
        }
    return found


def _list_right(lines: Sequence[Line]) -> set[tuple]:
    # in characters, because two pipelines may split the same text into different units
    return {
        (i, line.units[start][0], line.units[end - 1][1], label)
        for i, line in enumerate(lines)
        for start, end, label in set(line.gold) & set(line.found)
        if start < end
    }
