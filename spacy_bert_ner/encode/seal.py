"""Tensors and texts ↔ a safetensors file with its own hash inside, which loading checks."""

import hashlib
import json
import os

import numpy as np
import safetensors.torch
import torch

from ..fetch.trust import CONFIG, TOKENIZER, TOKENIZER_CONFIG

HEADER = "spacy-bert-ner"
"""The entry of the file's header that holds all texts: the order of several would vary."""

SEAL = "block_sums"
"""Where the hash is in the header: the sha256 of the sums of the file's blocks."""
OLD_SEAL = "sha256"
"""Where models of earlier development versions have the sha256 of the whole file."""
NO_SEAL = "0" * 64
"""Placeholder for the hash while it is computed."""
SWITCH = "SPACY_BERT_NER_CHECK_WEIGHTS"
"""Environment variable that turns the check off if it is 0."""
_NEAR = 200  # the seal is the first text of the header, within these bytes
_HEAD = 4096
_BLOCK = 512  # numbers of 8 bytes


def tensors_to_bytes(tensors: dict[str, torch.Tensor], texts: dict[str, str]) -> bytes:
    """Write tensors and texts as one safetensors file, sealed with its own hash.

    tensors (Dict[str, Tensor]): The weights.
    texts (Dict[str, str]): The texts for the header, by name.
    RETURNS (bytes): The file; the same bytes for the same content.
    """
    texts = {SEAL: NO_SEAL, **{name: text for name, text in texts.items() if name != SEAL}}
    return seal(safetensors.torch.save(tensors, metadata={HEADER: json.dumps(texts)}))


def read_texts(data: bytes) -> dict[str, str]:
    """Read the texts in the header of an encoder's file.

    data (bytes): What `tensors_to_bytes` returned.
    RETURNS (Dict[str, str]): The texts by name.
    RAISES (ValueError): If the file is not a whole encoder of ours.
    """
    # A safetensors file: the length of the header in 8 bytes, the header as JSON, the tensors.
    n_header = int.from_bytes(data[:8], "little")
    is_safetensors = data[8:9] == b"{" and 8 + n_header <= len(data)
    header = json.loads(data[8 : 8 + n_header]) if is_safetensors else {}
    texts = json.loads(header.get("__metadata__", {}).get(HEADER, "{}"))
    missing = [name for name in (CONFIG, TOKENIZER, TOKENIZER_CONFIG) if name not in texts]
    if missing:
        raise ValueError(
            "The weights were not written by spacy-bert-ner.TransformerModel.v1: found "
            f"{len(data):,} bytes without {', '.join(missing)}, expected safetensors with these "
            "texts in the header. Set `@architectures` to the architecture that the model was "
            "trained with, or train again."
        )
    ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    n_expected = 8 + n_header + max(ends)
    if len(data) != n_expected:
        raise ValueError(
            f"The encoder's weights are {len(data):,} bytes, expected {n_expected:,}: the file was "
            "cut or changed. Copy or download the model again."
        )
    return texts


def seal(data: bytes) -> bytes:
    """Put the hash of an encoder's bytes into their header.

    data (bytes): A safetensors file with the placeholder.
    RETURNS (bytes): The file with its hash; its size does not change.
    """
    start = _find_seal(data, SEAL)
    found = hash_blocks(data, start)
    return b"".join([data[:start], found.encode(), data[start + len(NO_SEAL) :]])


def check_seal(data: bytes) -> None:
    """Compare an encoder's bytes with the hash in their header.

    Files without a hash, as version 0.1.0 wrote them, are not checked. If the environment
    variable SPACY_BERT_NER_CHECK_WEIGHTS is 0, no file is. The hash finds damage; it does
    not prove who wrote the file.

    data (bytes): What `seal` returned.
    RAISES (ValueError): If a byte has changed since then.
    """
    if os.environ.get(SWITCH) == "0":
        return
    for name, compute in ((SEAL, hash_blocks), (OLD_SEAL, hash_all)):
        start = _find_seal(data, name)
        if start < 0:
            continue
        expected = data[start : start + len(NO_SEAL)].decode("latin-1")
        found = compute(data, start)
        if found != expected:
            raise ValueError(
                f"The encoder's weights (transformer/model in the model folder) are damaged: their "
                f"hash is {found[:12]}…, expected {expected[:12]}…. Copy or install the model "
                f"again. To turn this check off, set the environment variable {SWITCH}=0."
            )
        return


def _find_seal(data: bytes, name: str) -> int:
    before = rf"\"{name}\": \"".encode()
    start = data.find(before, 0, _NEAR)
    return start if start < 0 else start + len(before)


def hash_blocks(data: bytes, start: int) -> str:
    """Compute the hash of a file by the sum of each of its blocks of 4,096 bytes.

    Sums take a sixth of the time of a sha256 of all bytes. They find every change of a
    single number, and blocks that are lost, zeroed or exchanged.

    data (bytes): The file.
    start (int): Where the hash is, which does not count.
    RETURNS (str): The hash.
    """
    digest = _hash_head(data[:_HEAD], start)
    n_whole = max(0, len(data) - _HEAD) // (8 * _BLOCK) * _BLOCK
    numbers = np.frombuffer(data, dtype="<u8", count=n_whole, offset=_HEAD if n_whole else 0)
    digest.update(numbers.reshape(-1, _BLOCK).sum(axis=1, dtype="<u8").tobytes())
    digest.update(data[_HEAD + 8 * n_whole :])
    return digest.hexdigest()


def hash_all(data: bytes, start: int) -> str:
    """Compute the sha256 of a file, with the placeholder in place of its hash."""
    digest = _hash_head(data[:_HEAD], start)
    digest.update(memoryview(data)[_HEAD:])
    return digest.hexdigest()


def _hash_head(head: bytes, start: int) -> "hashlib._Hash":
    digest = hashlib.sha256(head[:start])
    digest.update(NO_SEAL.encode())
    digest.update(head[start + len(NO_SEAL) :])
    return digest
