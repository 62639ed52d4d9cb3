"""The tests of the installed spaCy for trainable pipes, run with `bert_ner` in place of `ner`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import spacy

HERE = Path(__file__).parent
SPACY = Path(spacy.__file__).parent / "tests"
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
    "training/test_rehearse.py::test_rehearse[ner]": "rehearsal is refused with an error",
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


def run(files, *, without):
    """Run the tests in a process of their own, and count their outcomes."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(SPACY)]
    command += ["-p", "no:cacheprovider", "-p", "support.upstream", "--tb=short"]
    # Beams are of spaCy's parser.
    command += ["-k", "not beam"]
    command += [option for test in without for option in ("--deselect", test)]
    command += [str(SPACY / name) for name in files]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    return counts, done.stdout


@pytest.mark.parametrize(
    ("files", "without", "n_tests"),
    [
        (QUICK, [*REFUSED, *SLOW], 87),
        pytest.param(ALL, list(REFUSED), 199, marks=pytest.mark.slow),
    ],
    ids=["quick", "all"],
)
def test_spacys_own_tests_of_a_trainable_ner(files, without, n_tests):
    counts, output = run(files, without=without)
    assert "failed" not in counts and "errors" not in counts, output
    assert counts["passed"] >= n_tests, output
    # Each refused test exists: those with several parameters count more than once.
    assert counts["deselected"] >= len(without), output
