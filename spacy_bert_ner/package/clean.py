"""A model folder → the same without the words it was trained on and this machine's paths."""

import json
import re
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.language import Language
from thinc.api import Config

from ..fetch.trust import CONFIG, LOCK_NAME, TOKENIZER_CONFIG
from ..files import read_json

# Files that may name a place on this machine; vocabularies are left alone.
_RECORDS = ("meta.json", LOCK_NAME, CONFIG, TOKENIZER_CONFIG)
_PLACE = re.compile(r"(?P<kind>dir:|file://)?(?P<path>(/|~|[A-Za-z]:[\\/])[^\n]*[\\/][^\n]*)")
STRINGS = "strings.json"


def clean_model(folder: Path) -> None:
    """Remove words of the training data and paths of this machine, in place.

    Training fills the vocabulary with nearly all words of its data, and configs and
    records name folders of the machine. The pipeline finds the same entities without them.

    folder (Path): A copy of what `nlp.to_disk` wrote, or of a Hugging Face checkpoint.
    RAISES (ValueError): If the pipeline is damaged or needs a file of this machine.
    """
    for path in (folder / name for name in _RECORDS):
        if path.is_file():
            record = hide_places(read_json(path, {}, advice="Write the model again."))
            path.write_text(json.dumps(record, indent=2), encoding="utf8")
    if (folder / "config.cfg").is_file():
        config = Config().from_disk(folder / "config.cfg", interpolate=False)
        Config(hide_places(config)).to_disk(folder / "config.cfg", interpolate=False)
        keep_needed_strings(folder)


def hide_places(value: Any) -> Any:
    """Shorten absolute paths to their last part.

    value (Any): What a JSON file or a config holds; it is not changed.
    RETURNS (Any): The same, with "/home/me/corpus/train.spacy" as "train.spacy".

    EXAMPLE:
        >>> hide_places({"source": "dir:/home/me/encoder", "name": "en/core"})
        {'source': 'dir:encoder', 'name': 'en/core'}
    """
    if isinstance(value, dict):
        return {key: hide_places(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hide_places(inner) for inner in value]
    match = _PLACE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    return (match["kind"] or "") + re.split(r"[\\/]", match["path"].rstrip("\\/"))[-1]


def keep_needed_strings(folder: Path) -> None:
    """Keep only the strings of a vocabulary that the components need, in place.

    These are the strings that loading adds (those of the language, labels and
    patterns) and those that the folder refers to only by hash: words with vectors, and
    the content of trainable lemmatizers and knowledge bases.

    folder (Path): A copy of what `nlp.to_disk` wrote.
    """
    files = sorted(folder.rglob(STRINGS))
    needed = find_hashed_strings(spacy.load(folder))
    # Loading adds the same strings for every user.
    for path in files:
        srsly.write_json(path, sorted(needed))
    needed.update(spacy.load(folder).vocab.strings)
    for path in files:
        srsly.write_json(path, sorted(needed))


def find_hashed_strings(nlp: Language) -> set[str]:
    """Find the strings that a pipeline stores only as hashes.

    nlp (Language): The pipeline, whose vocabulary has these strings.
    RETURNS (Set[str]): The strings.
    """
    keys = set(nlp.vocab.vectors.keys())
    found: set[str] = set()
    for _, pipe in nlp.components:
        trees = getattr(pipe, "trees", [])
        rows = [trees[i] for i in range(len(trees))]
        keys.update(row[name] for row in rows for name in ("orig", "subst") if name in row)
        kb = getattr(pipe, "kb", None)
        if kb is not None:
            found.update([*kb.get_entity_strings(), *kb.get_alias_strings()])
    return found | {nlp.vocab.strings[key] for key in keys if key in nlp.vocab.strings}
