"""What the meta of a packaged model says."""

from spacy_bert_ner.package import describe_model

SCORES = {
    "ents_p": 0.5,
    "ents_r": 0.25,
    "ents_f": 0.3333,
    "ents_per_type": {"geo": {"p": 0.5, "r": 0.25, "f": 0.3333}},
    "n_docs": 4796,
}


def test_meta_names_sources_licences_and_scores():
    meta = describe_model(
        scores={"words": SCORES, "text": {**SCORES, "ents_f": 0.3}},
        lock={"name": "tiny", "license": "Apache-2.0", "source": "dir:tiny"},
        data={"name": "Corpus", "url": "https://example.org", "author": "A", "license": "ODbL-1.0"},
    )
    assert "tiny fine-tuned on Corpus" in meta["description"]
    assert "4,796 sentences" in meta["description"]
    assert [source["license"] for source in meta["sources"]] == ["ODbL-1.0", "Apache-2.0"]
    assert meta["license"] == "Apache-2.0"
    assert meta["performance"]["ents_f"] == 0.3333
    assert meta["performance"]["text_ents_f"] == 0.3
    assert meta["performance"]["ents_per_type"]["geo"]["r"] == 0.25
