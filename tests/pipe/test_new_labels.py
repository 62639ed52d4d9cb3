"""`spacy train` goes on from a trained pipeline, with labels that it does not know."""

import pytest
import spacy
from spacy.cli._util import app
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config
from support.listening import OURS, make_transformer
from support.pipelines import EXPECTED, make_examples, make_nlp, read_ents, train
from support.trainings import make_config, write_corpus
from thinc.api import Adam
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a pipeline that knows LOC and PER."""
    nlp = make_nlp()
    train(nlp)
    folder = tmp_path_factory.mktemp("trained")
    nlp.to_disk(folder)
    return folder


def make_source_config(folder, model):
    """Write data with another label, and make a config that goes on with it."""
    nlp = spacy.blank("en")
    write_corpus(folder, n_train=8, n_dev=2)
    (eg,) = make_examples(nlp, [("London is big", [(0, 6, "CITY")])])
    spacy.tokens.DocBin(docs=[eg.reference]).to_disk(folder / "train.spacy")
    config = make_config(folder)
    config["components"]["ner"] = {"source": str(model)}
    config["initialize"]["before_init"] = {
        "@callbacks": "spacy-bert-ner.add_labels.v1",
        "corpus": "${corpora.train}",
    }
    return config


def test_labels_of_the_data_are_added_to_a_component_with_source(model, tmp_path):
    nlp = init_nlp(make_source_config(tmp_path, model))
    assert nlp.get_pipe("ner").labels == ("LOC", "PER", "CITY")
    assert read_ents(nlp("London is big")) == EXPECTED[1]
    examples = make_examples(nlp, [("London is big", [(0, 6, "CITY")])])
    optimizer = Adam(0.01)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    assert read_ents(nlp("London is big")) == [("London", "CITY")]


def test_without_the_callback_or_when_frozen_the_labels_stay(model, tmp_path):
    config = make_source_config(tmp_path, model)
    config["training"]["frozen_components"] = ["ner"]
    assert init_nlp(config).get_pipe("ner").labels == ("LOC", "PER")
    config["training"]["frozen_components"] = []
    del config["initialize"]["before_init"]
    nlp = init_nlp(config)
    examples = make_examples(nlp, [("London is big", [(0, 6, "CITY")])])
    with pytest.warns(UserWarning, match=r"'CITY' are not learned.*spacy-bert-ner.add_labels.v1"):
        nlp.update(examples, sgd=Adam(0.01))
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")


@pytest.mark.parametrize("name", ["ner", "transformer"])
def test_spacy_debug_model_shows_the_layers(get_encoder, tmp_path, name):
    write_corpus(tmp_path, n_train=8, n_dev=2)
    config = make_config(tmp_path)
    config["nlp"]["pipeline"] = ["transformer", "ner"]
    transformer = make_transformer(get_encoder())
    config["components"]["transformer"] = {"factory": "transformer", "model": transformer}
    config["components"]["ner"]["model"]["tok2vec"] = OURS
    load_model_from_config(config, auto_fill=True).config.to_disk(tmp_path / "config.cfg")
    done = CliRunner().invoke(app, ["debug", "model", str(tmp_path / "config.cfg"), name, "-P3"])
    assert done.exit_code == 0, done.output
    assert "Successfully ended analysis" in done.output
