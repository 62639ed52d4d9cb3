"""`quantize`: a pipeline in int8 next to the one that it was made from."""

import pickle

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from support.listening import TEXTS, annotate, make_examples, make_nlp
from typer.testing import CliRunner

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from spacy_bert_ner import load
from spacy_bert_ner.cli.main import bert_ner_cli
from spacy_bert_ner.interop.to_hf import pipeline_to_hf
from spacy_bert_ner.manifest import write_manifest


def run(*args):
    return CliRunner().invoke(bert_ner_cli, ["quantize", *map(str, args)])


@pytest.fixture(scope="module")
def paths(get_encoder, tmp_path_factory):
    """A trained pipeline, its training docs, and the pipeline in int8."""
    root = tmp_path_factory.mktemp("quantize")
    nlp = make_nlp(get_encoder(), n_steps=25, compute_dtype="bfloat16", freeze="1 layer")
    nlp.to_disk(root / "model")
    write_manifest(root / "model")
    DocBin(docs=[eg.reference for eg in make_examples(nlp) if len(eg.reference)]).to_disk(
        root / "dev.spacy"
    )
    done = run(root / "model", root / "int8", "--dev", root / "dev.spacy", "--max-loss", 50)
    assert done.exit_code == 0, done.output
    assert "words/s" in done.output and "ms for one text" in done.output
    return root


def test_the_new_pipeline_finds_nearly_the_same_and_says_what_was_measured(paths):
    nlp, int8 = spacy.load(paths / "model"), load(paths / "int8")
    model = int8.config["components"]["transformer"]["model"]
    assert (model["engine"], model["compute_dtype"], model["freeze"]) == ("onnx", "auto", "none")
    expected, found = annotate(nlp), annotate(int8)
    n_same = sum(x == y for x, y in zip(expected, found, strict=True))
    assert n_same >= 0.9 * len(TEXTS) and any(doc.ents for doc in int8.pipe(TEXTS))
    sizes = [(paths / name / "transformer/model").stat().st_size for name in ("model", "int8")]
    meta = srsly.read_json(paths / "int8/meta.json")
    figures = meta["quantization"]
    assert figures["f_before"] > 0.5 and figures["f_after"] == pytest.approx(
        int8.evaluate(make_examples(int8))["ents_f"]
    )
    assert min(figures[name] for name in ("speed_before", "speed_after")) > 0
    assert min(figures[name] for name in ("ms_before", "ms_after")) > 0
    assert figures["dev"] == "dev.spacy"
    assert any(need.startswith("onnxruntime>=") for need in meta["requirements"])
    assert sizes[1] > 0
    assert annotate(pickle.loads(pickle.dumps(int8))) == found


def test_too_large_a_loss_is_refused_and_nothing_is_written(paths, tmp_path):
    done = run(paths / "model", tmp_path / "out", "--dev", paths / "dev.spacy", "--max-loss", -200)
    assert done.exit_code == 1 and not (tmp_path / "out").exists()
    assert "Nothing was written. Raise --max-loss" in " ".join(done.output.split())


def test_a_loss_that_cannot_be_measured_is_refused(paths, tmp_path):
    nlp = spacy.blank("en")
    doc = nlp.make_doc("Alex lives in London")
    doc.ents = [doc.char_span(0, 4, label="OTHER")]
    DocBin(docs=[doc]).to_disk(tmp_path / "other.spacy")
    done = run(paths / "model", tmp_path / "out", "--dev", tmp_path / "other.spacy")
    assert "finds no gold entity of other.spacy" in " ".join(done.output.split())
    grouped = spacy.load(paths / "model", config={"components.bert_ner.spans_key": "sc"})
    grouped.to_disk(tmp_path / "grouped")
    done = run(tmp_path / "grouped", tmp_path / "out", "--dev", paths / "dev.spacy")
    assert "'bert_ner' writes to doc.spans['sc']" in " ".join(done.output.split())
    assert done.exit_code == 1 and not (tmp_path / "out").exists()


def test_what_cannot_be_quantized_or_trained_or_exported(paths, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    for model, message in (
        (tmp_path / "blank", "expected an encoder to quantize"),
        (paths / "int8", "already, expected weights of torch"),
    ):
        done = run(model, tmp_path / "out", "--dev", paths / "dev.spacy")
        assert done.exit_code == 1 and message in " ".join(done.output.split())
    int8 = spacy.load(paths / "int8")
    with pytest.raises(ValueError, match="is for prediction"):
        int8.update(make_examples(int8), sgd=int8.resume_training())
    with pytest.raises(ValueError, match="transformers cannot read a graph in int8"):
        pipeline_to_hf(int8, tmp_path / "hf", name="bert_ner")
