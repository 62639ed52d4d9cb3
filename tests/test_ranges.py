"""Numbers outside their range, in every registered function that takes some."""

import math

import pytest
from spacy import registry

from spacy_bert_ner.ranges import check_range

CLASSIFIER = {"tok2vec": {"@architectures": "spacy-bert-ner.TransformerListener.v1"}}
ADAMW = ("optimizers", "AdamW.v1", {"learn_rate": 0.1})
SGD = ("optimizers", "SGD.v1", {"learn_rate": 0.1})
LINEAR = ("schedules", "linear.v1", {"rate": 0.1, "total_steps": 9})
LOSS = ("losses", "TagLoss.v1", {})
FORMS = ("architectures", "WordForms.v1", {})
FORMS2 = ("architectures", "WordForms.v2", {})
BATCHES = ("batchers", "batch_by_pieces.v1", {})
BAD = [
    *[(ADAMW, name, value) for name in ("beta1", "beta2") for value in (-0.1, 1.0, math.nan)],
    *[(ADAMW, "eps", value) for value in (-1.0, math.inf)],
    *[
        (optimizer, name, value)
        for optimizer in (ADAMW, SGD)
        for name in ("learn_rate", "weight_decay", "layer_decay", "head_factor", "grad_clip")
        for value in (-0.1, math.nan, math.inf)
    ],
    *[(ADAMW, "average_decay", value) for value in (-0.1, 1.0, math.nan)],
    (SGD, "momentum", -0.1),
    (SGD, "accumulate_batches", 0),
    *[(FORMS2, "hide_case", value) for value in (-0.1, 1.5)],
    *[(LINEAR, name, value) for name in ("rate", "final") for value in (-0.1, math.nan)],
    *[(LOSS, "label_smoothing", value) for value in (-0.1, 1.0, math.nan)],
    *[(LOSS, "focal_gamma", value) for value in (-1.0, math.nan, math.inf)],
    *[(FORMS, "width", value) for value in (-1, 0)],
    (FORMS, "window", -1),
    (("architectures", "WordShape.v1", {}), "width", 0),
    (("architectures", "TokenClassifier.v1", CLASSIFIER), "hidden", -1),
    (("architectures", "PieceClassifier.v1", CLASSIFIER), "hidden", -1),
    (("architectures", "TransformerModel.v1", {"name": "x"}), "dropout", math.nan),
    *[(BATCHES, *bad) for bad in (("sentences", 0), ("pieces", 0), ("pool", -1))],
    (("callbacks", "trim_memory.v1", {}), "every", 0),
    (("callbacks", "plan_training.v1", {}), "patience", -1),
    (("loggers", "Logger.v1", {}), "dev_sentences", -1),
]


@pytest.mark.parametrize(("function", "name", "value"), BAD)
def test_a_config_with_a_number_outside_its_range_is_refused(function, name, value):
    kind, thing, given = function
    block = {f"@{kind}": f"spacy-bert-ner.{thing}", **given}
    assert registry.resolve({"block": block})
    with pytest.raises(ValueError, match=f"`{name} = {value}`, expected at least"):
        registry.resolve({"block": {**block, name: value}})


@pytest.mark.parametrize("name", ["rows", "class_weights.O", "times.PER"])
def test_a_number_in_a_list_or_a_table_is_refused(name):
    function, value = {
        "rows": (FORMS, [1000, -1, 1000, 1000]),
        "class_weights.O": (LOSS, {"O": -1.0}),
        "times.PER": (("augmenters", "repeat_labels.v1", {}), {"PER": -1}),
    }[name]
    kind, thing, given = function
    block = {f"@{kind}": f"spacy-bert-ner.{thing}", **given, name.partition(".")[0]: value}
    with pytest.raises(ValueError, match=f"`{name} = -1"):
        registry.resolve({"block": block})


@pytest.mark.parametrize("value", ["0.01", {}, []])
def test_a_learning_rate_that_is_no_number_and_no_schedule_is_refused(value):
    block = {"@optimizers": "spacy-bert-ner.AdamW.v1", "learn_rate": value}
    with pytest.raises(ValueError, match=r"learn_rate = .*, expected a number, or a block"):
        registry.resolve({"block": block})


def test_borders_belong_to_the_range_and_null_is_allowed():
    for value in (0, 0.5, 1, True, None):
        check_range("share", value, 0, 1)
    check_range("share", 0.999, 0, below=1)
    check_range("number", 10**9, 0)
    with pytest.raises(ValueError, match=r"`share = .0\.5.`, expected at least 0"):
        check_range("share", "0.5", 0, 1)
    for value, limits in ((1.001, {"most": 1}), (1, {"below": 1}), (math.inf, {})):
        with pytest.raises(ValueError, match=f"`share = {value}`"):
            check_range("share", value, 0, **limits)
