"""A pytest plugin: where spaCy's own tests ask for "ner", they get a `bert_ner` on a CNN."""

from dataclasses import replace

import torch
from spacy.language import Language
from spacy.util import registry

from spacy_bert_ner.tag import token_classifier
from support.pipelines import CNN


def pytest_configure():
    """Give the name "ner" to the factory `bert_ner`; like spaCy's, it begins at zero."""
    Language().add_pipe("sentencizer")  # spaCy registers its own factories first
    meta = Language.get_factory_meta("bert_ner")
    config = {**meta.default_config, "model": {**meta.default_config["model"], "tok2vec": CNN}}
    Language.set_factory_meta("ner", replace(meta, factory="ner", default_config=config))
    registry.factories.register("ner", func=registry.factories.get("bert_ner"))
    make_layers = token_classifier.make_layers

    def make_layers_at_zero(widths, *, norm):
        layers = make_layers(widths, norm=norm)
        for parameter in layers[-1:].parameters():
            torch.nn.init.zeros_(parameter)
        return layers

    token_classifier.make_layers = make_layers_at_zero
