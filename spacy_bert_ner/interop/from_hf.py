"""A Hugging Face token-classification checkpoint → a spaCy pipeline that predicts."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config

from ..encode.checkpoint import Checkpoint, read_checkpoint
from ..fetch.fetch import fetch_encoder
from ..fetch.trust import CONFIG, LOCK_NAME
from ..files import replaced_files, replaced_folder
from ..manifest import MANIFEST, write_manifest
from ..schemes import Bigrams, count_bigrams, recognise_scheme
from ..scratch import temporary_folder
from .configs import SUBWORD_LABELS, make_pipeline_config, make_training_config
from .head import Head, read_head
from .tag_columns import MISSING, TagColumns, match_tag_columns, rename_tag

NEVER = -10_000.0
"""The score of a tag that the checkpoint does not have: never the best, never infinite."""

RECORD = "spacy_bert_ner"
"""The entry of config.json for what Hugging Face's own entries cannot express."""

# Any recogniser of names finds entities of several words in these.
PROBES = (
    "Angela Merkel met Emmanuel Macron in Paris .",
    "John Smith works for the Microsoft Corporation in New York City .",
    "El presidente Pedro Sánchez viajó a Buenos Aires .",
)


class Imported(NamedTuple):
    """The pipeline that a checkpoint became.

    labels (List[str]): The labels of the pipeline.
    scheme (str): Tag scheme of its head.
    lock (Dict[str, Any]): Source, revision, licence and hashes of the checkpoint.
    config (Path): The config that trains the pipeline further.
    """

    labels: list[str]
    scheme: str
    lock: dict[str, Any]
    config: Path


def hf_to_pipeline(
    checkpoint: str,
    output: Path,
    *,
    lang: str = "en",
    aggregation: str = "first",
    scheme: str | None = None,
) -> Imported:
    """Write a spaCy pipeline with the weights of a Hugging Face checkpoint.

    Next to it, OUTPUT.train.cfg is a config with which `spacy train` trains it further.

    checkpoint (str): A local folder, a name on the hub (best with @REVISION), or a
        source as `fetch_encoder` takes it.
    output (Path): The folder of the pipeline; what an earlier call wrote there is replaced.
    lang (str): Language, which determines the tokenizer.
    aggregation (str): How the scores of a token's pieces become the token's, as
        in `transformers.pipeline`: "first", "average" or "max".
    scheme (str | None): How to read the tags; see `match_tag_columns`. `None` to
        recognise it by their names, and IOB1 by what the checkpoint finds in three sentences.
    RETURNS (Imported): Labels, scheme, source and training config.
    RAISES (FetchError): If the checkpoint cannot be fetched or contains code.
    RAISES (ValueError): If its tags or its head are not supported.
    """
    if aggregation not in SUBWORD_LABELS:
        raise ValueError(
            f"Aggregation '{aggregation}', expected one of {', '.join(SUBWORD_LABELS)}."
        )
    with temporary_folder() as tmp:
        folder = tmp / "checkpoint"
        lock = fetch_encoder(find_source(checkpoint), folder, pins={})
        try:
            nlp, record = read_pipeline(folder, lang=lang, aggregation=aggregation, scheme=scheme)
        except ValueError as error:
            raise ValueError(str(error).replace(str(folder), checkpoint)) from error
    nlp.get_pipe("ner").cfg["temperature"] = record.get("temperature", 1.0)  # type: ignore[attr-defined]
    describe(nlp, lock)
    config = output.with_name(f"{output.name}.train.cfg")
    with replaced_files(config.parent, force=True) as folder:
        (folder / config.name).write_text(make_training_config(nlp, output), encoding="utf8")
        with replaced_folder(output, record=MANIFEST) as aside:
            nlp.to_disk(aside)
            (aside / LOCK_NAME).write_text(json.dumps(lock, indent=2) + "\n", encoding="utf8")
            write_manifest(aside)
    ner: Any = nlp.get_pipe("ner")
    return Imported(list(ner.labels), ner.scheme, lock, config)


def read_pipeline(
    folder: Path, *, lang: str, aggregation: str, scheme: str | None
) -> tuple[Language, dict[str, Any]]:
    """Read a checked checkpoint as a pipeline.

    folder (Path): The checkpoint, in Hugging Face layout.
    lang (str): Language.
    aggregation (str): "first", "average" or "max".
    scheme (str | None): How to read the tags; `None` to recognise it.
    RETURNS (Tuple[Language, Dict[str, Any]]): The pipeline, and what `to-hf` recorded.
    RAISES (ValueError): If its tags or its head are not supported.
    """
    encoder = read_checkpoint(folder, attention="sdpa", dropout=None)
    head = read_head(folder, encoder)
    record = json.loads((folder / CONFIG).read_text("utf8")).get(RECORD, {})
    # Whoever trains or renames the tags of an exported checkpoint leaves the record as it was.
    if [rename_tag(tag) for tag in record.get("tags", [])] == head.names:
        head = head._replace(names=record["tags"])
    else:
        record = {}
    columns = match_tag_columns(head.names, scheme=scheme or record.get("scheme"))
    if scheme is None and columns.scheme == "IOB2" and not record and is_iob1(encoder, head):
        columns = match_tag_columns(head.names, scheme="IOB1")
    return make_pipeline(folder, head, columns, lang=lang, aggregation=aggregation), record


def find_source(checkpoint: str) -> str:
    """Give the source of a checkpoint as `fetch_encoder` expects it.

    checkpoint (str): A folder, a name on the hub, or a source.
    RETURNS (str): `dir:PATH`, `hub:NAME`, or the source as it was.
    """
    if checkpoint.partition(":")[0] in ("dir", "hub", "pip"):
        return checkpoint
    is_path = checkpoint.startswith((".", "~", "/")) or Path(checkpoint).expanduser().is_dir()
    return f"{'dir' if is_path else 'hub'}:{checkpoint}"


def is_iob1(encoder: Checkpoint, head: Head) -> bool:
    """Check whether a checkpoint uses B- only between two adjacent entities.

    Such a checkpoint (for example for CoNLL-2003 as published) starts its entities
    with I-.

    encoder (Checkpoint): Its encoder.
    head (Head): Its tags and weights.
    RETURNS (bool): Also `False` if it finds nothing.
    """
    bigrams, cutter = Bigrams(), encoder.cutter
    for text in PROBES:
        words = [ids or [cutter.unknown] for ids in cutter(text.split(), True)]
        ends = torch.tensor([len(cutter.prefix), *map(len, words)]).cumsum(0)
        # An encoder with a small limit reads only the words that fit.
        words = words[: int((ends[1:] <= encoder.limit - len(cutter.suffix)).sum())]
        ids = [*cutter.prefix, *(piece for word in words for piece in word), *cutter.suffix]
        firsts = ends[: len(words)]
        with torch.no_grad():
            # shape: (n_words, width)
            X = encoder.model.eval()(input_ids=torch.tensor([ids])).last_hidden_state[0, firsts]
            best = head.score(X).argmax(dim=1)
        count_bigrams(bigrams, [head.names[i] for i in best.tolist()])
    return recognise_scheme(bigrams) in ("IOB1", "IO")


def make_pipeline(
    folder: Path, head: Head, columns: TagColumns, *, lang: str, aggregation: str
) -> Language:
    """Make a pipeline of an encoder and a head.

    folder (Path): The encoder, in Hugging Face layout.
    head (Head): Tags and weights of the checkpoint.
    columns (TagColumns): For each of our tags, the column of its score.
    lang (str): Language.
    aggregation (str): "first", "average" or "max".
    RETURNS (Language): The pipeline.
    """
    labels = list(dict.fromkeys(columns.tag_set.labels[1:]))
    config = make_pipeline_config(
        lang=lang, aggregation=aggregation, scheme=columns.scheme, labels=labels
    )
    if head.before:
        width = len(head.before[0].weight)
        config["components"]["ner"]["model"].update(hidden=width, norm=True)
    config["paths"]["encoder"] = str(folder)
    nlp = load_model_from_config(Config(config), auto_fill=True)
    example = Example.from_dict(nlp.make_doc("a"), {"entities": [(0, 1, labels[0])]})
    nlp.initialize(get_examples=[example].copy)
    # The folder is temporary; the pipeline has the weights.
    nlp.config["paths"]["encoder"] = ""
    layer = nlp.get_pipe("ner").model.get_ref("tag_scores")  # type: ignore[attr-defined]
    layer.shims[0]._model.load_state_dict(select_rows(head, columns.columns))
    return nlp


def select_rows(head: Head, columns: list[int]) -> dict[str, torch.Tensor]:
    """Give the weights that score our tags.

    head (Head): Tags and weights of the checkpoint.
    columns (List[int]): For each of our tags, a tag of the checkpoint, or `MISSING`.
    RETURNS (Dict[str, Tensor]): State of the layers, the last with shapes (n_tags, width) and
        (n_tags,).
    """
    is_missing = torch.tensor([column == MISSING for column in columns])
    weight = head.weight[columns].masked_fill(is_missing[:, None], 0.0)
    last = torch.nn.Linear(weight.shape[1], len(weight)).requires_grad_(False)
    last.weight.copy_(weight)
    last.bias.copy_(head.bias[columns].masked_fill(is_missing, NEVER))
    return torch.nn.Sequential(*head.before, last).state_dict()


def describe(nlp: Language, lock: dict[str, Any]) -> None:
    """Record in a pipeline's meta where its weights come from.

    nlp (Language): The pipeline.
    lock (Dict[str, Any]): The lock of the checkpoint.
    """
    place = f"{lock['name']} ({lock['revision']})"
    nlp.meta["name"] = "from_hf"
    nlp.meta["description"] = f"Named entities by the Hugging Face checkpoint {place}."
    nlp.meta["license"] = lock["license"]
    nlp.meta["sources"] = [
        {"name": lock["name"], "license": lock["license"], "author": lock["source"]}
    ]
