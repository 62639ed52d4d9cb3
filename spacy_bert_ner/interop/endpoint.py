"""The files that let Hugging Face inference endpoints run a spaCy pipeline."""

from pathlib import Path

from ..files import hash_file

HANDLER = '''"""Answers requests of inference endpoints with the pipeline in this folder."""

from typing import Any

import spacy_bert_ner


class EndpointHandler:
    """Finds named entities in texts."""

    def __init__(self, path: str = "") -> None:
        """Load the pipeline after checking its files.

        path (str): The folder of this file.
        """
        self.nlp = spacy_bert_ner.load(path)

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Find the entities of one text or of several.

        data (Dict[str, Any]): "inputs": a text, or a list of texts.
        RETURNS (List[Any]): The entities of the text, or a list of them for each text.
        """
        inputs = data.get("inputs")
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError('Expected {"inputs": "a text"} or {"inputs": ["a text", "another"]}.')
        docs = self.nlp.pipe(texts)
        found = [[describe(ent) for group in (doc.ents, *doc.spans.values()) for ent in group]
                 for doc in docs]
        return found[0] if isinstance(inputs, str) else found


def describe(ent: Any) -> dict[str, Any]:
    """Describe an entity as the token-classification pipeline of transformers does."""
    score = ent._.score if ent.has_extension("score") else None
    return {
        "entity_group": ent.label_,
        "score": None if score is None else float(score),
        "word": ent.text,
        "start": ent.start_char,
        "end": ent.end_char,
    }
'''


def write_endpoint(folder: Path, repo: str, *, plugin: Path | None, host: str) -> None:
    """Write handler.py, and requirements.txt if the plugin's wheel is sent too.

    folder (Path): The folder that is sent.
    repo (str): OWNER/NAME.
    plugin (Path | None): The wheel of spacy-bert-ner in that folder.
    host (str): The address of the hub.
    """
    (folder / "handler.py").write_text(HANDLER, encoding="utf8")
    if plugin is not None:
        # The file and its hash: a package index is not asked for a package of this name.
        place = f"{host}/{repo}/resolve/main/{plugin.name}#sha256={hash_file(plugin)}"
        text = f"spacy-bert-ner @ {place}\n"
        (folder / "requirements.txt").write_text(text, encoding="utf8")
