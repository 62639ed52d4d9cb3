"""The sub-commands of ``python -m spacy bert-ner``, one file each."""

from ._app import bert_ner_cli
from .convert import convert_cli
from .doctor_data import doctor_data_cli
from .evaluate import evaluate_cli
from .find_threshold import find_threshold_cli
from .plot import plot_cli
from .train import train_cli

__all__ = [
    "bert_ner_cli",
    "convert_cli",
    "doctor_data_cli",
    "evaluate_cli",
    "find_threshold_cli",
    "plot_cli",
    "train_cli",
]
