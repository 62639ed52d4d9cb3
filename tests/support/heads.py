"""Tiny token-classification checkpoints, built offline: folders in Hugging Face layout."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from support.checkpoints import build_checkpoint

NAMES = {
    "IOB2": ["I-PER", "O", "B-LOC", "B-PER", "I-LOC"],
    "BIOES": ["O", *(f"{p}-{label}" for label in ("LOC", "PER") for p in "SEIB")],
    "IO": ["O", "I-LOC", "I-PER"],
}


def build_head(
    kind: str,
    folder: Path,
    *,
    names: list[str] = NAMES["IOB2"],
    seed: int = 0,
    outside: float = 0.0,
    **settings: object,
) -> Path:
    """Build a checkpoint with random weights.

    kind (str): One of `checkpoints.KINDS`.
    folder (Path): Where to write it.
    names (list[str]): Its tags, in the order of its scores.
    outside (float): What is added to the score of "O".
    **settings (object): Other entries of config.json.
    RETURNS (Path): The folder.
    """
    build_checkpoint(kind, folder, seed=seed)
    config = AutoConfig.from_pretrained(folder)
    config.update(settings)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(folder, config=config)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    torch.nn.init.normal_(model.classifier.bias, std=1.0)
    for name, parameter in model.named_parameters():
        if name.startswith("head."):
            torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        model.classifier.bias[names.index("O")] += outside
    model.save_pretrained(folder)
    return folder
