"""All sub-commands → the one app that spaCy's command line takes in."""

from . import (  # noqa: F401 - each module adds its command
    annotate,
    apply_corrections,
    convert,
    doctor_data,
    evaluate,
    fetch,
    find_label_errors,
    find_threshold,
    from_hf,
    learning_curve,
    package,
    plot,
    push,
    quantize,
    serve,
    suggest,
    teach,
    to_hf,
    train,
    try_wheels,
    verify,
)
from ._app import bert_ner_cli

__all__ = ["bert_ner_cli"]
