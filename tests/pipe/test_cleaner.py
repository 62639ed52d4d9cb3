"""Docs after the cleaner: they hold no output of the transformer, and work as any others."""

import pytest
from support.configs import CONFIGS, read
from support.listening import make_nlp


@pytest.fixture(scope="module")
def nlp(get_encoder):
    nlp = make_nlp(get_encoder(), n_steps=0)
    nlp.replace_pipe("doc_cleaner", "trf_data_cleaner")
    return nlp


def test_docs_keep_everything_but_the_output_of_the_transformer(nlp):
    doc, other = nlp("Alex lives in London"), nlp("Paris")
    assert doc._.trf_data is None
    assert doc[:2].as_doc().text == "Alex lives "
    assert doc.vector.shape == doc[0].vector.shape == (0,)
    with pytest.warns(UserWarning, match="W00[78]"):
        assert doc.similarity(other) == 0.0
    assert not doc.has_vector and not doc[0].has_vector


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_all_configs_clean_so(path):
    components = read(path)["components"]
    assert components["doc_cleaner"] == {"factory": "trf_data_cleaner"}


def test_a_pipeline_without_a_transformer_is_left_alone(nlp):
    assert nlp.get_pipe("doc_cleaner")(nlp.make_doc("Alex")).text == "Alex"
