"""A pytest plugin: where spacy-transformers' own tests ask for its model, they get ours."""

import tempfile
from pathlib import Path

from spacy.util import registry
from spacy_transformers.layers._util import replace_listener_cfg

from spacy_bert_ner.encode.listeners import build_tok2vec_transformer_v1
from spacy_bert_ner.encode.transformer import TransformerModel, build_transformer_model_v1
from support.checkpoints import build_checkpoint

MODELS = [f"spacy-transformers.TransformerModel.v{i}" for i in (1, 2, 3)]
INSIDE = [f"spacy-transformers.Tok2VecTransformer.v{i}" for i in (1, 2, 3)]
# Encoders by the names in the tests, which would be downloaded.
KINDS = {
    "albert-base-v2": "albert",
    "distilbert-base-uncased": "distilbert",
    "hf-internal-testing/tiny-random-DistilBertModel": "distilbert",
    "hf-internal-testing/tiny-xlm-roberta": "xlm-roberta",
    "roberta-base": "roberta",
}
_FOLDERS = tempfile.TemporaryDirectory()


def make_ours(
    name="roberta-base",
    get_spans=None,
    tokenizer_config=None,
    transformer_config=None,
    mixed_precision=False,
    grad_scaler_config=None,
):
    """Make our model of a tiny encoder; only theirs has the other settings."""
    folder = Path(_FOLDERS.name) / KINDS[name]
    if not folder.exists():
        build_checkpoint(KINDS[name], folder)
    model = build_transformer_model_v1(name=str(folder))
    # Configs keep their names, which give our model here.
    model.attrs["replace_listener_cfg"] = replace_listener_cfg
    return model


def make_ours_inside(
    name,
    pooling,
    grad_factor=1.0,
    get_spans=None,
    tokenizer_config=None,
    transformer_config=None,
    mixed_precision=False,
    grad_scaler_config=None,
):
    """Make our model inside of a component."""
    return build_tok2vec_transformer_v1(
        transformer=make_ours(name), pooling=pooling, grad_factor=grad_factor
    )


def pytest_configure():
    """Give their names to our model; entry points win over names registered again."""
    ours = {**dict.fromkeys(MODELS, make_ours), **dict.fromkeys(INSIDE, make_ours_inside)}
    get = registry.architectures.get
    registry.architectures.get = lambda name: ours.get(name) or get(name)


def pytest_collection_modifyitems(items):
    """Give their modules our model in place of the dummy, and our class in place of theirs."""
    for item in items:
        if hasattr(item.module, "DummyTransformer"):
            item.module.DummyTransformer = lambda: make_ours().initialize()
            item.module.TransformerModel = TransformerModel
