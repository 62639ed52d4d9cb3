"""Settings of an imported checkpoint → the config of its pipeline, and of its training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from thinc.api import Config

SUBWORD_LABELS = ("first", "average", "max")

PIPELINE = """
[paths]
encoder = ""

[nlp]
lang = "en"
pipeline = ["transformer","ner","doc_cleaner"]
batch_size = 128

[components]

[components.transformer]
factory = "transformer"
max_batch_items = 4096

[components.transformer.model]
@architectures = "spacy-bert-ner.TransformerModel.v1"
name = ${paths.encoder}
pooling = "first"

[components.ner]
factory = "bert_ner"
scheme = "IOB2"

[components.ner.model]
@architectures = "spacy-bert-ner.TokenClassifier.v1"
features = null
hidden = null
decoder = "valid"

[components.ner.model.tok2vec]
@architectures = "spacy-bert-ner.TransformerListener.v1"
upstream = "transformer"

[components.doc_cleaner]
factory = "trf_data_cleaner"

[initialize]

[initialize.components]

[initialize.components.ner]
"""

TRAINING = """
# Trains {model} further:
# python -m spacy train {name} --output OUTPUT --paths.train train.spacy --paths.dev dev.spacy
# Gold entities with labels other than {labels} count as missing. For a new head with
# other labels, replace `source` with `factory = "bert_ner"` in [components.ner].

[paths]
train = null
dev = null
model = {model_json}

[system]
gpu_allocator = "pytorch"
seed = 0

[nlp]
lang = "{lang}"
pipeline = ["transformer","ner","doc_cleaner"]
batch_size = 128

[components]

[components.transformer]
source = ${{paths.model}}

[components.ner]
source = ${{paths.model}}

[components.doc_cleaner]
source = ${{paths.model}}

[corpora]

[corpora.train]
@readers = "spacy-bert-ner.KeptCorpus.v1"
path = ${{paths.train}}
gold_preproc = true

[corpora.dev]
@readers = "spacy-bert-ner.KeptCorpus.v1"
path = ${{paths.dev}}
gold_preproc = true

[training]
seed = ${{system.seed}}
gpu_allocator = ${{system.gpu_allocator}}
dropout = 0.1
max_epochs = 1
max_steps = 0
eval_frequency = 0
patience = 0
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"

[training.batcher]
@batchers = "spacy-bert-ner.batch_by_pieces.v1"
sentences = 32

[training.optimizer]
@optimizers = "spacy-bert-ner.AdamW.v1"
layer_decay = 0.8
head_factor = 1.0

[training.optimizer.learn_rate]
@schedules = "spacy-bert-ner.linear.v1"
rate = 5e-5
warmup = "10%"

[training.logger]
@loggers = "spacy-bert-ner.Logger.v1"

[training.score_weights]
ents_f = 1.0

[initialize]

[initialize.after_init]
@callbacks = "spacy-bert-ner.plan_training.v1"
eval_every = "50%"
"""


def make_pipeline_config(
    *, lang: str, aggregation: str, scheme: str, labels: Sequence[str]
) -> dict[str, Any]:
    """Make the config of a pipeline with a checkpoint's encoder and head.

    lang (str): Language.
    aggregation (str): "first", "average" or "max".
    scheme (str): Tag scheme of the head.
    labels (Sequence[str]): Its labels.
    RETURNS (Dict[str, Any]): The config; the encoder's folder is `paths.encoder`.
    """
    config = Config().from_str(PIPELINE, interpolate=False)
    config["nlp"]["lang"] = lang
    config["components"]["ner"]["scheme"] = scheme
    config["initialize"]["components"]["ner"]["labels"] = list(labels)
    if aggregation != "first":
        config["components"]["transformer"]["model"]["pooling"] = "pieces"
        config["components"]["ner"]["model"] = {
            "@architectures": "spacy-bert-ner.PieceClassifier.v1",
            "aggregation": aggregation,
            "tok2vec": {
                "@architectures": "spacy-bert-ner.PieceListener.v1",
                "upstream": "transformer",
            },
        }
    return config


def make_training_config(nlp: Language, model: Path) -> str:
    """Make a config that trains a pipeline further.

    nlp (Language): The pipeline.
    model (Path): Where it is saved.
    RETURNS (str): The text of a config file.
    """

    return TRAINING.lstrip().format(
        model=model,
        name=f"{model}.train.cfg",
        model_json=json.dumps(str(model)),
        labels=", ".join(nlp.get_pipe("ner").labels),  # type: ignore[attr-defined]
        lang=nlp.lang,
    )
