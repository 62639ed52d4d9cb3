"""Our scores against those of seqeval, nervaluate and scikit-learn themselves."""

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from support.evaluations import tag_pairs

from spacy_bert_ner.evaluate.partial import MATCH_KINDS, score_partial
from spacy_bert_ner.schemes import spans_to_tags, tags_to_spans

ROOT = Path(__file__).parents[2]
SEQEVAL = "seqeval==1.2.2"
# seqeval has no wheel, and newer releases of setuptools_scm break its build. The numpy of
# this environment fits the package.
CONSTRAINTS = f"setuptools_scm<9\nnumpy=={numpy.__version__}\n"


@settings(deadline=None, max_examples=50)
@given(tag_pairs())
def test_partial_matches_are_those_of_nervaluate(pairs):
    nervaluate = pytest.importorskip("nervaluate", reason="nervaluate needs Python 3.11")
    spans = [tuple(tags_to_spans(tags) for tags in pair) for pair in pairs]
    if not any(map(any, spans)):
        return  # nervaluate divides by the number of entities
    sides = [
        [spans_to_tags(row[side], len(pair[0])) for row, pair in zip(spans, pairs, strict=True)]
        for side in (0, 1)
    ]
    report = nervaluate.Evaluator(*sides, tags=["A", "B"], loader="list").evaluate()["overall"]
    ours = score_partial(spans)
    for mode, name in zip(ours, ("strict", "exact", "partial", "ent_type"), strict=True):
        for kind in MATCH_KINDS:
            assert ours[mode][kind] == getattr(report[name], kind), (mode, kind)
        for key, name_of_key in (("p", "precision"), ("r", "recall"), ("f", "f1")):
            assert ours[mode][key] == pytest.approx(getattr(report[name], name_of_key))


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="nervaluate needs Python 3.11")
def test_every_score_is_that_of_the_other_tools(tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(CONSTRAINTS, encoding="utf8")
    limits = {"PIP_CONSTRAINT": str(constraints), "PIP_BUILD_CONSTRAINT": str(constraints)}
    # A folder of its own: seqeval and scikit-learn are no part of this environment.
    target = tmp_path / "peers"
    command = [sys.executable, "-m", "pip", "install", "--target", str(target), SEQEVAL]
    installed = subprocess.run(
        command, env={**os.environ, **limits}, capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"pip cannot install {SEQEVAL}: {installed.stderr[-500:]}")
    paths = os.pathsep.join([str(target), str(ROOT)])
    script = [sys.executable, str(ROOT / "benchmarks" / "parity.py")]
    done = subprocess.run(
        [*script, "--output", str(tmp_path / "parity.md"), "--corpora", "200"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seqeval strict" in done.stdout and "scikit-learn: accuracy" in done.stdout
