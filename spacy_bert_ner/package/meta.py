"""The records of a run (scores, encoder, corpus) → what meta.json says of the model."""

from pathlib import Path
from typing import Any

from ..files import read_json

# Scores without any entity are null.
_SCORE = (int, float, type(None))
_SCORES: dict[str, type | tuple[type, ...]] = {
    **{f"words.micro.{key}": _SCORE for key in "prf"},
    "words.labels": dict,
    "words.certainty": (dict, type(None)),
    **{f"text.spacy.{key}": _SCORE for key in "prf"},
    "tokens.accuracy": _SCORE,
    "data.n_sentences": int,
}
_AGAIN = "Run the step that writes it again."


def read_model_meta(*, scores: Path, lock: Path, data: Path) -> dict[str, Any]:
    """Read the entries of meta.json that spaCy cannot know.

    scores (Path): metrics.json of the evaluation.
    lock (Path): encoder.lock.json of the encoder.
    data (Path): source.json of the corpus.
    RETURNS (Dict[str, Any]): Entries for meta.json.
    RAISES (ValueError): If a file is missing, damaged or incomplete.
    """
    found = read_json(scores, _SCORES, advice=_AGAIN)
    words = found["words"]
    rows = {f"words.labels.{label}": row for label, row in words["labels"].items()}
    if words["certainty"] is not None:
        rows["words.certainty"] = words["certainty"]
    for place, row in rows.items():
        keys = ("ece",) if place == "words.certainty" else tuple("prf")
        if not isinstance(row, dict) or not all(_is_score(row.get(key, "")) for key in keys):
            raise ValueError(
                f"{scores}: found {str(row)[:80]} as {place}, expected an object with the "
                f"numbers {', '.join(keys)}. {_AGAIN}"
            )
    advice = 'Write for example {"name": "My corpus", "license": "MIT"}.'
    return make_model_meta(
        scores=found,
        lock=read_json(lock, {"name": str, "license": str, "source": str}, advice=_AGAIN),
        data=read_json(data, {"name": str}, advice=advice),
    )


def _is_score(value: Any) -> bool:
    return isinstance(value, _SCORE)


def make_model_meta(
    *, scores: dict[str, Any], lock: dict[str, Any], data: dict[str, str]
) -> dict[str, Any]:
    """Make the entries of meta.json that spaCy cannot know.

    scores (Dict[str, Any]): metrics.json of the evaluation; see docs/metrics.md.
    lock (Dict[str, Any]): The encoder's lock file.
    data (Dict[str, str]): The corpus as a source: "name", "url", "author", "license".
    RETURNS (Dict[str, Any]): Entries for meta.json; spaCy writes the model card from them.
    """
    words, text = scores["words"], scores["text"]["spacy"]
    performance = {f"ents_{key}": words["micro"][key] for key in "prf"}
    performance["ents_per_type"] = {
        label: {key: row[key] for key in "prf"} for label, row in words["labels"].items()
    }
    # The calibration error; pipelines without probabilities have none.
    performance["ents_ece"] = words["certainty"] and words["certainty"]["ece"]
    # As `spacy evaluate` reports it; our report is stricter.
    performance.update({f"text_ents_{key}": text[key] for key in "prf"})
    performance["token_acc"] = scores["tokens"]["accuracy"]
    encoder = {"name": lock["name"], "license": lock["license"], "author": lock["source"]}
    return {
        "description": (
            f"Named entities by spacy-bert-ner: {lock['name']} fine-tuned on {data['name']}. "
            "ents_* are scored on the corpus's words, text_ents_* on raw text, both on its test "
            f"split ({scores['data']['n_sentences']:,} sentences)."
        ),
        "author": "spacy-bert-ner",
        # Fine-tuned weights are a derived work of the encoder's.
        "license": lock["license"],
        "sources": [data, encoder],
        "performance": performance,
    }
