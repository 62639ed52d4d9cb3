"""Presidio gets our entities with their scores, and its own patterns still work."""

import shutil

import pytest
import spacy
from support.pipelines import DATA

pytest.importorskip("presidio_analyzer")

from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpEngineProvider

from spacy_bert_ner.interop.presidio import PresidioEngine
from spacy_bert_ner.manifest import BrokenModelError, write_manifest

TEXT = DATA[0][0]


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presidio") / "model"
    trained.to_disk(folder)
    write_manifest(folder)
    return str(folder)


def load(model, configuration=None):
    models = [{"lang_code": "en", "model_name": model}]
    engine = PresidioEngine(models, configuration)
    engine.load()
    return engine


@pytest.fixture(scope="module")
def engine(model):
    return load(model)


def test_entities_have_the_scores_of_the_pipeline(engine, trained):
    analyzer = AnalyzerEngine(nlp_engine=engine)
    found = analyzer.analyze(TEXT, language="en", entities=["PERSON", "LOCATION"])
    names = {"PER": "PERSON", "LOC": "LOCATION"}
    assert sorted((r.start, r.end, r.entity_type, r.score) for r in found) == [
        (ent.start_char, ent.end_char, names[ent.label_], pytest.approx(ent._.score, abs=1e-6))
        for ent in trained(TEXT).ents
    ]
    assert len(found) == 2 and all(r.score != 0.85 for r in found)


def test_a_batch_gives_the_same_and_reads_texts_together(engine, monkeypatch):
    sizes = []
    nlp = engine.nlp["en"]
    pipe = nlp.pipe

    def note(*args, **options):
        sizes.append(options["batch_size"])
        return pipe(*args, **options)

    monkeypatch.setattr(nlp, "pipe", note)
    analyzer = AnalyzerEngine(nlp_engine=engine)
    texts = [TEXT, "", "London is big"]
    batch = list(BatchAnalyzerEngine(analyzer).analyze_iterator(texts, language="en"))
    assert sizes == [64]
    one_by_one = [analyzer.analyze(text, language="en") for text in texts]
    for found, alone in zip(batch, one_by_one, strict=True):
        places = [[(r.entity_type, r.start, r.end) for r in results] for results in (found, alone)]
        assert places[0] == places[1]
        assert [r.score for r in found] == pytest.approx([r.score for r in alone], abs=1e-5)


@pytest.mark.parametrize("as_tuples", [False, True])
def test_batches_as_presidios_own_tests_want_them(engine, as_tuples):
    texts = [("simple text", {"key": 1})] * 2 if as_tuples else ["simple text"] * 2
    outputs = engine.process_batch(texts, language="en", as_tuples=as_tuples)
    assert iter(outputs) is outputs
    for text, artifacts, *context in list(outputs):
        assert text == "simple text" and len(artifacts.tokens) == 2
        assert artifacts.lemmas == ["simple", "text"] and not artifacts.entities
        assert context == ([{"key": 1}] if as_tuples else [])


def test_context_words_raise_the_score_of_a_pattern(engine):
    analyzer = AnalyzerEngine(nlp_engine=engine)
    plain, with_context = (
        analyzer.analyze(text, language="en", entities=["US_SSN"])
        for text in ("It is 078-05-1126 .", "My social security number is 078-05-1126 .")
    )
    assert with_context[0].score > (plain[0].score if plain else 0)


def test_labels_are_mapped_ignored_and_kept(model):
    configuration = NerModelConfiguration(
        labels_to_ignore=["LOC"], model_to_presidio_entity_mapping={"PER": "PATIENT"}
    )
    engine = load(model, configuration)
    [ent] = engine.process_text(TEXT, "en").entities
    assert (ent.text, ent.label_) == ("Alex Smith", "PATIENT")
    assert engine.get_supported_entities() == ["PATIENT"]


def test_labels_of_the_kaggle_corpus_and_unknown_ones_have_names(tmp_path):
    engine = load_ruler(tmp_path)
    assert {"PERSON", "LOCATION", "ORGANIZATION", "DATE_TIME", "NRP", "MISC"} <= set(
        engine.get_supported_entities()
    )


def load_ruler(folder):
    other = spacy.blank("en")
    ruler = other.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "misc", "pattern": "Oslo"}])
    other.to_disk(folder / "model")
    write_manifest(folder / "model")
    return load(str(folder / "model"))


def test_entities_without_a_score_get_the_default(tmp_path):
    engine = load_ruler(tmp_path)
    artifacts = engine.process_text("Oslo", "en")
    assert artifacts.scores == [0.85]


def test_a_pipeline_that_writes_to_a_span_group_is_refused(model, tmp_path):
    grouped = spacy.load(model, config={"components.ner.spans_key": "sc"})
    grouped.to_disk(tmp_path / "model")
    write_manifest(tmp_path / "model")
    with pytest.raises(ValueError, match=r"doc\.spans\['sc'\], but Presidio reads doc\.ents"):
        load(str(tmp_path / "model"))
    advised = spacy.load(tmp_path / "model", config={"components.ner.spans_key": None})
    assert len(advised(TEXT).ents) == 2


def test_presidios_configuration_files_know_the_engine(model):
    provider = NlpEngineProvider(
        nlp_engines=[PresidioEngine],
        nlp_configuration={
            "nlp_engine_name": "spacy_bert_ner",
            "models": [{"lang_code": "en", "model_name": model}],
        },
    )
    engine = provider.create_engine()
    assert isinstance(engine, PresidioEngine)
    assert len(engine.process_text(TEXT, "en").entities) == 2


def test_a_model_is_never_downloaded_and_always_checked(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy.cli.download", lambda *_: pytest.fail("download"))
    with pytest.raises(FileNotFoundError):
        load("en_no_such_model")
    with pytest.raises(ValueError, match="`models`"):
        PresidioEngine()
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "config.cfg").write_text("x")
    with pytest.raises(BrokenModelError):
        load(str(broken))
