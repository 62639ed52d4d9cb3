"""A trained spaCy pipeline → a Hugging Face token-classification checkpoint."""

import json
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from spacy.language import Language
from spacy.training import Example

from ..encode.settings import ONNX
from ..encode.shim import EncoderShim
from ..fetch.trust import TOKENIZER, TOKENIZER_CONFIG
from ..files import replaced_folder
from ..manifest import MANIFEST, write_manifest
from ..pipe.bert_ner import BertNer
from ..pipe.factory import find_component
from ..pipe.rehearsal import PipelineRef
from .card import make_card
from .distill import Distilled, distill_head
from .from_hf import RECORD
from .head import Head, build_model, has_hidden
from .tag_columns import name_columns

EXACT_HEAD = (
    'features = null, hidden = null, decoder = "valid", pooling = "first" and shapes = false'
)
"""Settings of a model that is exported exactly, for messages."""


class Exported(NamedTuple):
    """What was exported.

    head (Head): Tags and weights of the new head.
    notes (List[str]): What transformers does differently from the pipeline.
    distilled (Distilled | None): Scores of the pipeline and of the new head, if one was
        fitted.
    """

    head: Head
    notes: list[str]
    distilled: Distilled | None


def pipeline_to_hf(
    nlp: Language,
    output: Path,
    *,
    name: str | None = None,
    distill: Iterable[Example] | None = None,
) -> Exported:
    """Write a pipeline as a checkpoint that `transformers` loads on its own.

    The folder gets config.json with `id2label`, the tokenizer, weights as safetensors
    and a model card. The scores of words' first pieces do not change.

    nlp (Language): The pipeline; it has a `bert_ner` on our transformer.
    output (Path): The folder; the result of an earlier call is replaced.
    name (str | None): Name of the `bert_ner`, if there are several.
    distill (Iterable[Example] | None): Gold docs. If the head is more than one linear
        layer, or the encoder reads shapes, a linear layer is fitted to the pipeline's
        predictions on them; without gold docs, this is an error.
    RETURNS (Exported): The head, and notes about it.
    RAISES (ValueError): If the model cannot be exported. Then nothing is written.
    """
    pipe: Any = nlp.get_pipe(find_component(nlp) if name is None else name)
    encoder = find_encoder(nlp, pipe)
    if encoder.settings.engine == ONNX:
        raise ValueError(
            f'The encoder has `engine = "{ONNX}"`: transformers cannot read a graph in int8. '
            "Export the pipeline that it was made from."
        )
    problems = find_problems(pipe, encoder)
    if problems and distill is None:
        raise ValueError(
            f"'{pipe.name}' cannot be exported exactly: {'; '.join(problems)}. Fit a linear "
            f"head with gold docs (`distill_head`), which reports the F1 lost, or train a model "
            f"with {EXACT_HEAD}."
        )
    distilled = distill_head(nlp, pipe, encoder, distill) if problems and distill else None
    if problems and distilled is None:
        raise ValueError("Found no gold docs to fit a linear head to, expected at least one.")
    head = read_own_head(pipe) if distilled is None else distilled.head
    checkpoint = encoder.require()[0]
    model = build_model(checkpoint, head)
    record = {"scheme": "IOB2", "tags": head.names, "temperature": 1.0}
    if distilled is None:
        record.update(scheme=pipe.scheme, temperature=pipe.cfg["temperature"])
        record["tags"] = list(pipe.tags) if pipe.scheme == "BILOU" else head.names
    setattr(model.config, RECORD, record)
    notes = find_notes(nlp, pipe, encoder)
    with replaced_folder(output, record=MANIFEST) as aside:
        model.save_pretrained(aside, safe_serialization=True)
        settings = json.loads(checkpoint.files[TOKENIZER_CONFIG])
        # Without a limit, transformers would feed the encoder more than it can read.
        settings["model_max_length"] = checkpoint.limit
        (aside / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=2), encoding="utf8")
        (aside / TOKENIZER).write_text(checkpoint.files[TOKENIZER], encoding="utf8")
        card = make_card(nlp.meta, layout="transformers", notes=notes, distilled=distilled)
        (aside / "README.md").write_text(card, encoding="utf8")
        write_manifest(aside)
    return Exported(head, notes, distilled)


def find_encoder(nlp: Language, pipe: BertNer) -> EncoderShim:
    """Find the encoder that a component listens to, or has for itself.

    nlp (Language): The pipeline.
    pipe (BertNer): The component.
    RETURNS (EncoderShim): The shim of the encoder.
    RAISES (ValueError): If the component has another source of vectors.
    """
    transformer = PipelineRef(nlp).find_transformer(pipe.model)
    for model in [pipe.model, *([transformer.model] if transformer else [])]:
        for node in model.walk():
            for shim in node.shims:
                if isinstance(shim, EncoderShim):
                    return shim
    raise ValueError(
        f"'{pipe.name}' has no encoder that can be exported: expected "
        "spacy-bert-ner.TransformerModel.v1 in the pipeline. Other tok2vec layers and "
        "spacy-transformers' own model cannot be exported."
    )


def find_problems(pipe: BertNer, encoder: EncoderShim) -> list[str]:
    """Find what a linear layer on the first piece cannot express.

    pipe (BertNer): The component.
    encoder (EncoderShim): Its encoder.
    RETURNS (List[str]): One phrase for each; none if the head is exported exactly.
    """
    problems = []
    layer = pipe.model.get_ref("tag_scores")
    checkpoint = encoder.require()[0]
    if layer.attrs["hidden"] and not (layer.attrs["norm"] and has_hidden(checkpoint)):
        problems.append(f"its head has a hidden layer (hidden = {layer.attrs['hidden']})")
    if layer.get_dim("nI") != encoder.width:
        problems.append("its head also reads word features (features)")
    if pipe.has_transitions:
        problems.append('it scores steps from tag to tag (decoder = "crf")')
    if encoder.settings.shapes:
        problems.append("its encoder reads the shapes of words (shapes = true)")
    if encoder.settings.pooling not in ("first", "pieces"):
        problems.append(
            f"a word's vector is not its first piece's (\"{encoder.settings.pooling}\")"
        )
    if pipe.scheme == "IOB1" and not is_tied(pipe):
        problems.append("I- scores differently at the start of an entity (scheme IOB1, trained on)")
    return problems


def is_tied(pipe: BertNer) -> bool:
    """Check whether tags that share a name in `transformers` share their weights."""
    names, (*_, last) = name_columns(pipe.tag_model.tag_set, pipe.scheme), read_layers(pipe)
    firsts = [names.index(name) for name in names]
    return torch.equal(last.weight, last.weight[firsts]) and torch.equal(
        last.bias, last.bias[firsts]
    )


def find_notes(nlp: Language, pipe: BertNer, encoder: EncoderShim) -> list[str]:
    """Find what transformers does differently from the pipeline.

    nlp (Language): The pipeline.
    pipe (BertNer): The component.
    encoder (EncoderShim): Its encoder.
    RETURNS (List[str]): One sentence for each.
    """
    strategy = pipe.model.attrs.get("aggregation", "first")
    notes = [
        f'Use aggregation_strategy="{strategy}": the scores of single pieces are not trained.'
        if strategy == "first"
        else f'Use aggregation_strategy="{strategy}", as this model does.',
        "transformers takes each word's best tag by itself; this pipeline takes the best path "
        "that is valid, which differs where the best tags of neighbours do not fit.",
    ]
    if pipe.threshold:
        notes.append(
            f"transformers does not leave out entities below the threshold ({pipe.threshold})."
        )
    if pipe.cfg["temperature"] != 1.0 or pipe.cfg["label_temperatures"]:
        notes.append("Scores in transformers are not calibrated: it ignores the temperature.")
    if pipe.spans_key is not None:
        notes.append(f"The pipeline writes to doc.spans['{pipe.spans_key}'].")
    limit = encoder.require()[0].limit
    notes.append(
        f"transformers cuts texts after {limit} pieces; this pipeline reads them in windows."
    )
    known = (pipe.name, "transformer", "doc_cleaner")
    others = [other for other, _ in nlp.pipeline if other not in known]
    if others:
        notes.append(f"Other components are not exported: {', '.join(others)}.")
    return notes


def read_layers(pipe: BertNer) -> Any:
    """RETURNS (nn.Sequential): A copy of the layers of a head, on the CPU."""
    layers = pipe.model.get_ref("tag_scores").shims[0]._model
    return deepcopy(layers).cpu().requires_grad_(False)


def read_own_head(pipe: BertNer) -> Head:
    """Give the weights of a head, and the names that transformers reads.

    pipe (BertNer): The component, whose head `find_problems` has checked.
    RETURNS (Head): Names and weights. Tags of IO and IOB1 that share a name and a row are
        merged; those of BILOU keep their rows, under the names of IOB2.
    """
    *before, last = read_layers(pipe)
    names = name_columns(pipe.tag_model.tag_set, pipe.scheme)
    if pipe.scheme == "IO" and not is_tied(pipe):
        names = list(pipe.tags)
    rows = [i for i, name in enumerate(names) if pipe.scheme == "BILOU" or name not in names[:i]]
    return Head([names[i] for i in rows], last.weight[rows], last.bias[rows], tuple(before))
