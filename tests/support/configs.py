"""The configs of the project, read and resolved."""

from pathlib import Path

from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.cfg"), key=str)
PATHS = {"paths.train": "train.spacy", "paths.dev": "dev.spacy", "paths.encoder": "assets/encoder"}


def read(path):
    return load_config(path, overrides=PATHS, interpolate=True)


def resolve(config):
    nlp = load_model_from_config(config, auto_fill=True)
    registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    registry.resolve(nlp.config.interpolate()["corpora"])
    registry.resolve(nlp.config.interpolate()["initialize"])
