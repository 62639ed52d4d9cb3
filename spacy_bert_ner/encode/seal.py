"""An encoder's bytes → the same with their own sha256 inside, which loading checks."""

import hashlib
import os

SEAL = "sha256"
NO_SEAL = "0" * 64
"""What is in the place of the hash while it is computed."""
SWITCH = "SPACY_BERT_NER_CHECK_WEIGHTS"
"""The environment variable that turns the check off, with the value 0."""
_BEFORE = rf"\"{SEAL}\": \"".encode()
_HEAD = 200  # bytes in which the seal is: it is the first text of the header


def seal(data: bytes) -> bytes:
    """Put the hash of an encoder's bytes into their header.

    data (bytes): A safetensors file with a blank seal.
    RETURNS (bytes): The same with the hash; as many bytes.
    """
    start = _find_seal(data)
    return b"".join([data[:start], _hash(data, start).encode(), data[start + len(NO_SEAL) :]])


def check_seal(data: bytes) -> None:
    """Compare an encoder's bytes with the hash in their header.

    Bytes without a hash, as version 0.1.0 wrote them, are not checked; nor are any
    if the environment variable SPACY_BERT_NER_CHECK_WEIGHTS is 0.

    data (bytes): What `seal` gave.
    RAISES (ValueError): If a byte has changed since then.
    """
    start = _find_seal(data)
    if start < 0 or os.environ.get(SWITCH) == "0":
        return
    expected = data[start : start + len(NO_SEAL)].decode("latin-1")
    found = _hash(data, start)
    if found != expected:
        raise ValueError(
            f"The encoder's weights are damaged: sha256 is {found[:12]}…, expected "
            f"{expected[:12]}… (transformer/model of the model folder). Copy or install the model "
            f"again. The environment variable {SWITCH}=0 turns this check off."
        )


def _find_seal(data: bytes) -> int:
    start = data.find(_BEFORE, 0, _HEAD)
    return start if start < 0 else start + len(_BEFORE)


def _hash(data: bytes, start: int) -> str:
    digest = hashlib.sha256(data[:start])
    digest.update(NO_SEAL.encode())
    digest.update(memoryview(data)[start + len(NO_SEAL) :])
    return digest.hexdigest()
