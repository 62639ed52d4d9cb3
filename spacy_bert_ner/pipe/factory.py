"""The factory `bert_ner`: config → pipeline component."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config, Model
from thinc.types import Floats2d

from ..tag.loss import TagLoss
from .bert_ner import BertNer
from .rehearsal import PipelineRef

DEFAULT_MODEL = Config().from_str(
    """
    [model]
    @architectures = "spacy-bert-ner.TokenClassifier.v1"
    hidden = null
    decoder = "crf"

    [model.tok2vec]
    @architectures = "spacy-transformers.TransformerListener.v1"
    grad_factor = 1.0
    pooling = {"@layers": "reduce_mean.v1"}

    [model.features]
    @architectures = "spacy-bert-ner.WordForms.v1"
    """
)["model"]


@Language.factory(
    "bert_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc._.ent_scores"],
    default_config={
        "model": DEFAULT_MODEL,
        "loss": {"@losses": "spacy-bert-ner.TagLoss.v1"},
        "scheme": "IOB2",
        "spans_key": None,
        "threshold": 0.0,
        "scorer": {"@scorers": "spacy-bert-ner.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "ents_ece": None,
    },
)
def make_bert_ner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    loss: TagLoss,
    scheme: str,
    spans_key: str | None,
    threshold: float | dict[str, float],
    scorer: Callable[..., dict[str, Any]] | None,
) -> BertNer:
    """Create the component of the factory `bert_ner`.

    model (Model[List[Doc], List[Floats2d]]): Model that returns one row of tag scores
        for each token. Its reference "tag_scores" is the layer whose `nO` is the number
        of tags; "transitions" is the layer with learned steps, if the decoder has one.
    loss (TagLoss): The loss of individual tags. With learned steps, the loss is that of
        whole paths, so leave this at its default.
    scheme (str): Tag scheme of the head: "IOB2" or "BILOU"; "IO" or "IOB1" for an
        imported head that was trained with it. With "IO", neighbours with the same
        label are learned as one entity.
    spans_key (str | None): Name of the group in `doc.spans` to write to, and to learn
        from if gold docs have it; `None` for `doc.ents`.
    threshold (float | Dict[str, float]): Minimum probability of an entity, from 0 to 1:
        one number for all labels, or one for each label, with 0 for the others.
    scorer (Callable | None): The scoring method.
    RETURNS (BertNer): The component.
    RAISES (ValueError): If a setting has an invalid value.
    """
    component = BertNer(
        nlp.vocab,
        model,
        name,
        loss=loss,
        scheme=scheme,
        spans_key=spans_key,
        threshold=threshold,
        scorer=scorer,
    )
    component.pipeline = PipelineRef(nlp)
    return component


def find_component(nlp: Language) -> str:
    """Get the name of the only `bert_ner` of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (str): The name.
    RAISES (ValueError): If there is none, or more than one.
    """
    names = [name for name, pipe in nlp.pipeline if isinstance(pipe, BertNer)]
    if len(names) != 1:
        raise ValueError(
            f"Found {len(names)} `bert_ner` components in the pipeline {nlp.pipe_names}, expected "
            "one. If there are several, set `name`."
        )
    return names[0]


def require_doc_ents(
    nlp: Language, what: str, *, name: str | None = None, advice: str = ""
) -> None:
    """Check that the entities of a pipeline are in `doc.ents`.

    nlp (Language): The pipeline.
    what (str): What reads them there, with its verb, for the message.
    name (str | None): The `bert_ner` to check; `None` if one of them is enough.
    advice (str): What to do instead of saving a copy that writes there.
    RAISES (ValueError): If they are in a span group.
    """
    keys = {other: pipe.spans_key for other, pipe in nlp.pipeline if isinstance(pipe, BertNer)}
    ours = {name: keys.get(name)} if name is not None else keys
    if ours and None not in ours.values():
        found, spans_key = next(iter(ours.items()))
        change = f'config={{"components.{found}.spans_key": None}}'
        advice = advice or f"Save a copy that writes there: spacy.load(MODEL, {change}).to_disk(…)."
        raise ValueError(
            f"'{found}' writes to doc.spans['{spans_key}'], but {what} doc.ents. {advice}"
        )
