"""Tests of the installed spaCy and spacy-transformers, run with our parts in place of theirs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import spacy_transformers

HERE = Path(__file__).parent
SPACY = Path(spacy.__file__).parent / "tests"
TRANSFORMERS = Path(spacy_transformers.__file__).parent / "tests"
QUICK = [
    "pipeline/test_pipe_methods.py",
    "serialize/test_serialize_pipeline.py",
    "training/test_rehearse.py",
    "parser/test_ner.py",
]
ALL = [
    *QUICK,
    "pipeline/test_pipe_factories.py",
    "serialize/test_serialize_language.py",
    "serialize/test_serialize_config.py",
    "training/test_training.py",
]
PARSER = "asks for the states and moves of spaCy's parser"
CONFIG = "sets options that only spaCy's parser has"
NO_DATA = "initializes without labels or examples, which is an error here"
REFUSED = {
    "serialize/test_serialize_pipeline.py::test_issue4725_1": CONFIG,
    "parser/test_ner.py::test_issue1967": PARSER,
    "parser/test_ner.py::test_issue2179": PARSER,
    "parser/test_ner.py::test_issue3209": PARSER,
    "parser/test_ner.py::test_labels_from_BILUO": PARSER,
    "parser/test_ner.py::test_accept_blocked_token": PARSER,
    "parser/test_ner.py::test_train_negative_deprecated": "expects an error for '!' in labels",
    "parser/test_ner.py::test_overwrite_token": NO_DATA,
    "parser/test_ner.py::test_overfitting_IO": CONFIG,
    "parser/test_ner.py::test_ner_warns_no_lookups": NO_DATA,
}
# Minutes of training, and a stream of 50,000 texts without any component.
SLOW = ["parser/test_ner.py::test_issue2800", "pipeline/test_pipe_methods.py::test_issue1506"]

# The other files of spacy-transformers' tests call its own functions and classes only: alignment,
# spans, truncation, data classes, and its wrapper of Hugging Face's models.
COMPONENT = [
    "test_pipeline_component.py",
    "test_serialize.py",
    "test_configs.py",
    "test_textcatcnn.py",
    "test_tok2vectransformer.py",
    "regression/test_spacy_issue6401.py",
    "regression/test_spacy_issue7029.py",
]
WRAPPER = "asks for the Hugging Face tokenizer or model inside of the wrapper"
NOT_OURS = {
    "test_pipeline_component.py::test_predict": WRAPPER,
    # pytest leaves out test_replace_listeners_invalid too, because its name begins the same.
    "test_pipeline_component.py::test_replace_listeners": "asks for attention weights",
    "test_serialize.py::test_initialized_transformer_tobytes": WRAPPER,
    "test_serialize.py::test_initialized_transformer_todisk": WRAPPER,
    "test_serialize.py::test_transformer_pipeline_todisk_settings": WRAPPER,
    "test_tok2vectransformer.py::test_transformer_pipeline_tagger_internal": (
        "asks for the layers of Tok2VecTransformer.v1; ours has those of v3"
    ),
}


def run(files, *, root, plugin, without, only="test"):
    """Run tests of an installed package in a process of their own, and count their outcomes."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(root)]
    command += ["-p", "no:cacheprovider", "-p", f"support.{plugin}", "--tb=short", "-k", only]
    command += [option for test in without for option in ("--deselect", test)]
    command += [str(root / name) for name in files]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    return counts, done.stdout


def check(counts, output, *, n_tests, without):
    assert "failed" not in counts and "errors" not in counts, output
    assert counts["passed"] >= n_tests, output
    # Each refused test exists: those with several parameters count more than once.
    assert counts["deselected"] >= len(without), output


def test_spacys_own_tests_of_a_trainable_ner(request):
    files, without, n_tests = QUICK, [*REFUSED, *SLOW], 88
    if request.config.getoption("--slow"):
        files, without, n_tests = ALL, list(REFUSED), 200
    # Beams are of spaCy's parser.
    counts, output = run(files, root=SPACY, plugin="upstream", without=without, only="not beam")
    check(counts, output, n_tests=n_tests, without=without)


@pytest.mark.slow
@pytest.mark.skipif(not TRANSFORMERS.exists(), reason="spacy-transformers came without its tests")
def test_spacy_transformers_own_tests_of_its_component():
    counts, output = run(
        COMPONENT, root=TRANSFORMERS, plugin="upstream_transformers", without=NOT_OURS
    )
    check(counts, output, n_tests=29, without=NOT_OURS)
