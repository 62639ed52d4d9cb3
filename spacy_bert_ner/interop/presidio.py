"""A spaCy pipeline → an NLP engine of Presidio, with the score of each entity."""

from collections.abc import Iterable, Iterator
from typing import Any

from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from spacy.tokens import Doc

from .. import load
from ..pipe.factory import require_doc_ents
from ..schemes import KAGGLE_TO_ONTONOTES

# Presidio's batches have one text by default, which costs most of the speed of a transformer.
_MIN_BATCH = 64


class PresidioEngine(SpacyNlpEngine):
    """Give Presidio the entities of a pipeline with their own scores.

    Presidio's engine for spaCy gives each entity the score 0.85; this one gives
    `ent._.score`, and the configuration's default score to entities that have none.
    Models are checked and never downloaded. Presidio looks for context among lemmas:
    words without a lemma count in lower case.

    EXAMPLE:
        engine = PresidioEngine(models=[{"lang_code": "en", "model_name": "en_kaggle_ner"}])
        engine.load()
        analyzer = AnalyzerEngine(nlp_engine=engine)
    """

    engine_name = "spacy_bert_ner"

    def __init__(
        self,
        models: list[dict[str, str]] | None = None,
        ner_model_configuration: NerModelConfiguration | None = None,
    ):
        """Take the models and, perhaps, a configuration of their labels.

        models (List[Dict[str, str]]): "lang_code" and "model_name" (a folder or an
            installed package) of each model.
        ner_model_configuration (NerModelConfiguration | None): Map of labels, labels to
            ignore, default score. By default, Presidio's map and one for the labels of
            the Kaggle corpus; labels that neither knows are kept in capitals.
        RAISES (ValueError): If there are no models.
        """
        if not models:
            raise ValueError(
                "PresidioEngine got no models, expected `models`: for example "
                '[{"lang_code": "en", "model_name": "en_kaggle_ner"}].'
            )
        self._keeps_unknown = ner_model_configuration is None
        super().__init__(models, ner_model_configuration or _make_configuration())

    def load(self) -> None:
        """Load the models.

        RAISES (FileNotFoundError): If there is no such model.
        RAISES (BrokenModelError): If its files have changed, or versions do not fit.
        RAISES (ValueError): If its entities are in a span group.
        """
        self._enable_gpu()
        self.nlp = {}
        for model in self.models:
            self._validate_model_params(model)
            nlp = load(model["model_name"])
            require_doc_ents(nlp, "Presidio reads")
            self.nlp[model["lang_code"]] = nlp
            if self._keeps_unknown:
                known = self.ner_model_configuration.model_to_presidio_entity_mapping
                for label in (label for labels in nlp.pipe_labels.values() for label in labels):
                    known.setdefault(label, label.upper())

    def process_batch(
        self,
        texts: Iterable[Any],
        language: str,
        batch_size: int = _MIN_BATCH,
        n_process: int = 1,
        as_tuples: bool = False,
    ) -> Iterator[Any]:
        """Process texts in batches of at least 64, as Presidio's engine for spaCy does.

        texts (Iterable): Texts, or pairs of a text and a context.
        language (str): Their language.
        batch_size (int): Texts in a batch.
        n_process (int): Number of processes.
        as_tuples (bool): Whether `texts` are pairs.
        YIELDS (Tuple): The text, its artifacts, and the context if there is one.
        """
        yield from super().process_batch(
            texts, language, max(batch_size, _MIN_BATCH), n_process, as_tuples
        )

    def _doc_to_nlp_artifact(self, doc: Doc, language: str) -> NlpArtifacts:
        for token in doc:
            if not token.lemma_:
                token.lemma_ = token.lower_
        return super()._doc_to_nlp_artifact(doc, language)

    def _get_scores_for_entities(self, doc: Doc) -> list[float]:
        default = self.ner_model_configuration.default_score
        scores = [ent._.score if ent.has_extension("score") else None for ent in doc.ents]
        return [default if score is None else float(score) for score in scores]


def _make_configuration() -> NerModelConfiguration:
    configuration = NerModelConfiguration()
    known = configuration.model_to_presidio_entity_mapping
    for label, general in KAGGLE_TO_ONTONOTES.items():
        known.setdefault(label, known.get(general, general))
    return configuration
