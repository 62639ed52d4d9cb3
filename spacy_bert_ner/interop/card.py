"""A pipeline's meta.json → the model card that the Hugging Face hub reads."""

from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from .distill import Distilled

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

    Only scores of what is in the folder stand in the metadata's model index: the
    pipeline's own in the layout of spaCy, those of a fitted head in the other one.

    meta (Dict[str, Any]): The pipeline's meta.json.
    layout (str): "spacy" or "transformers".
    notes (Sequence[str]): What to know, one sentence each.
    distilled (Distilled | None): The fitted head, if there is one.
    RETURNS (str): Markdown.
    """
    name = f"{meta['lang']}_{meta['name']}"
    sources = [source for source in meta.get("sources") or [] if isinstance(source, dict)]
    scores = find_scores(meta, layout, distilled)
    dataset = sources[0]["name"] if sources and sources[0].get("url") else "test split"
    if distilled is not None:
        dataset = f"{distilled.n_docs} docs kept back"
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
        language=meta["lang"],
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
            f"The head was fitted to a pipeline that has more than a linear layer: F1 "
            f"{100 * distilled.f_before:.2f} before, {100 * distilled.f_after:.2f} here, on "
            f"{distilled.n_docs} docs kept back."
        )
    lines += [
        f"Source: {source['name']} ({source.get('license') or 'unknown licence'})"
        for source in sources
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def find_scores(meta: dict[str, Any], layout: str, distilled: Distilled | None) -> dict[str, float]:
    """Find what was measured of a model in this layout.

    meta (Dict[str, Any]): The pipeline's meta.json.
    layout (str): "spacy" or "transformers".
    distilled (Distilled | None): The fitted head, if there is one.
    RETURNS (Dict[str, float]): Of "p", "r" and "f" those that are known.
    """
    if distilled is not None:
        return {"f": round(distilled.f_after, 4)}
    if layout != "spacy":
        return {}
    performance = meta.get("performance") or {}
    found = {key: performance.get(f"ents_{key}") for key in METRICS}
    return {key: round(value, 4) for key, value in found.items() if value is not None}
