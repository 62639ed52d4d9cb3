"""A pipeline's meta.json → the model card that the Hugging Face hub reads."""

import re
from collections.abc import Sequence
from typing import Any

import srsly
from huggingface_hub import EvalResult, ModelCardData

from .distill import Distilled

CARD = "README.md"
FRONT = re.compile(r"---[ \t]*\n(?P<data>.*?)\n?---[ \t]*(\n|\Z)", re.DOTALL)
TAGS = ["token-classification", "named-entity-recognition", "spacy-bert-ner"]
METRICS = {
    "p": ("precision", "NER Precision"),
    "r": ("recall", "NER Recall"),
    "f": ("f1", "NER F1"),
}
USE = {
    "spacy": """```python
import spacy_bert_ner

nlp = spacy_bert_ner.load("PATH")  # spacy.load, after checking the files
print([(ent.text, ent.label_, ent._.score) for ent in nlp("Alex lives in London.").ents])
```""",
    "transformers": """```python
from transformers import pipeline

ner = pipeline("token-classification", "PATH", aggregation_strategy="first")
print(ner("Alex lives in London."))
```""",
}


def make_card(
    meta: dict[str, Any],
    *,
    layout: str,
    notes: Sequence[str] = (),
    distilled: Distilled | None = None,
) -> str:
    """Write the card of a model: metadata for the hub, then text for people.

    The metadata lists only scores of the model in the folder: the pipeline's in
    spaCy's layout, those of a fitted head in the layout of transformers.

    meta (Dict[str, Any]): The pipeline's meta.json, or at least a "name".
    layout (str): "spacy" or "transformers".
    notes (Sequence[str]): Notes for users, one sentence each.
    distilled (Distilled | None): The fitted head, if there is one.
    RETURNS (str): Markdown.
    """
    name = "_".join(filter(None, [meta.get("lang"), meta["name"]]))
    sources = [source for source in meta.get("sources") or [] if isinstance(source, dict)]
    scores = find_scores(meta, layout, distilled)
    dataset = sources[0]["name"] if sources and sources[0].get("url") else "test split"
    if distilled is not None:
        dataset = f"{distilled.n_docs} held-out docs"
    results = [
        EvalResult(
            task_type="token-classification",
            task_name="NER",
            dataset_type="custom",
            dataset_name=dataset,
            metric_type=METRICS[key][0],
            metric_name=METRICS[key][1],
            metric_value=value,
        )
        for key, value in scores.items()
    ]
    data = ModelCardData(
        language=meta.get("lang"),
        license=(meta.get("license") or "unknown").lower(),
        library_name=layout,
        pipeline_tag="token-classification",
        tags=([layout] if layout == "spacy" else []) + TAGS,
        model_name=name if results else None,
        eval_results=results or None,
    )
    lines = [f"---\n{data.to_yaml()}\n---", f"# {name}", meta.get("description") or ""]
    lines += [USE[layout], *(f"- {note}" for note in notes)]
    if distilled is not None:
        lines.append(
            f"This linear head was fitted to a pipeline with a larger one: F1 "
            f"{100 * distilled.f_before:.2f} before and {100 * distilled.f_after:.2f} after, on "
            f"{distilled.n_docs} held-out docs."
        )
    lines += [
        f"Source: {source['name']} ({source.get('license') or 'unknown licence'})"
        for source in sources
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def complete_card(text: str, card: str) -> str:
    """Complete a card that lacks metadata or text.

    text (str): The model's own card; may be empty.
    card (str): A card by `make_card`, from which the missing parts are taken.
    RETURNS (str): Markdown.
    RAISES (ValueError): If the metadata of the model's card is not YAML.
    """
    start = card.index("---", 4) + 4
    if not text.startswith("---"):
        return f"{card[:start]}\n{text}" if text.strip() else card
    front = FRONT.match(text)
    try:
        found = srsly.yaml_loads(front["data"]) if front else None
    except ValueError as error:
        found = str(error).splitlines()[0]
    if front is None or not isinstance(found, dict) or not found:
        raise ValueError(
            f"{CARD}: found {found} as its metadata between the lines ---, expected YAML such as "
            "license: mit. Fix it, or remove the file to get a new one."
        )
    return text if text[front.end() :].strip() else f"{text[: front.end()]}\n{card[start:]}"


def find_scores(meta: dict[str, Any], layout: str, distilled: Distilled | None) -> dict[str, float]:
    """Find the scores of a model in a layout.

    meta (Dict[str, Any]): The pipeline's meta.json.
    layout (str): "spacy" or "transformers".
    distilled (Distilled | None): The fitted head, if there is one.
    RETURNS (Dict[str, float]): Those of "p", "r" and "f" that are known.
    """
    if distilled is not None:
        return {"f": round(distilled.f_after, 4)}
    if layout != "spacy":
        return {}
    performance = meta.get("performance") or {}
    found = {key: performance.get(f"ents_{key}") for key in METRICS}
    return {key: round(value, 4) for key, value in found.items() if value is not None}
