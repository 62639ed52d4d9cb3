"""The sub-commands of ``python -m spacy bert-ner``, one file each."""

from ._app import bert_ner_cli
from .convert import convert_cli
from .doctor_data import doctor_data_cli
from .evaluate import evaluate_cli
from .find_threshold import find_threshold_cli
from .from_hf import from_hf_cli
from .plot import plot_cli
from .push import push_cli
from .to_hf import to_hf_cli
from .train import train_cli
from .verify import verify_cli

__all__ = [
    "bert_ner_cli",
    "convert_cli",
    "doctor_data_cli",
    "evaluate_cli",
    "find_threshold_cli",
    "from_hf_cli",
    "plot_cli",
    "push_cli",
    "to_hf_cli",
    "train_cli",
    "verify_cli",
]
