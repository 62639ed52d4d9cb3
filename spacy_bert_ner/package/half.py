"""A model folder with weights in float32 → the same with weights stored in float16."""

from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import srsly
import torch

from ..encode.seal import HEADER, read_texts, tensors_to_bytes

LIMIT = torch.finfo(torch.float16).max


def halve_weights(folder: Path) -> int:
    """Store the encoder's weights in half precision, in place.

    Loading converts them back to float32, so the pipeline computes and trains as
    before, with weights rounded to 11 bits. The head, which is small, is not changed.

    folder (Path): The folder that `nlp.to_disk` wrote.
    RETURNS (int): How many weights were rounded; 0 if all were in float16 already.
    RAISES (ValueError): If there is no encoder of this package, or a weight is too
        large.
    """
    n_rounded = 0

    def halve(data: bytes, place: str) -> bytes:
        nonlocal n_rounded
        data, n = halve_bytes(data, place)
        n_rounded += n
        return data

    if not change_encoders(folder, halve):
        raise ValueError(
            f"{folder}: no weights of spacy-bert-ner.TransformerModel.v1, expected an encoder to "
            "store in half precision. Set `precision = full`."
        )
    return n_rounded


def change_encoders(folder: Path, change: Callable[[bytes, str], bytes]) -> int:
    """Rewrite the encoders of a model folder, in place.

    folder (Path): The folder that `nlp.to_disk` wrote.
    change (Callable): Gets an encoder's bytes and its place for messages; gives new bytes.
    RETURNS (int): The number of encoders.
    """
    n_encoders = 0
    for path in sorted(folder.glob("*/model")):
        message = srsly.read_msgpack(path)
        n_before = n_encoders
        for shims in message.get("shims", []):
            for i, data in enumerate(shims):
                if is_encoder(data):
                    shims[i] = change(data, str(path))
                    n_encoders += 1
        if n_encoders > n_before:
            srsly.write_msgpack(path, message)
    return n_encoders


def is_encoder(data: bytes) -> bool:
    """Check whether bytes are an encoder that `checkpoint_to_bytes` wrote."""
    n_header = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and f'"{HEADER}"'.encode() in data[8 : 8 + n_header]


def halve_bytes(data: bytes, place: str) -> tuple[bytes, int]:
    """Round the weights of an encoder to half precision.

    data (bytes): An encoder, as `checkpoint_to_bytes` wrote it.
    place (str): Its name in the message.
    RETURNS (Tuple[bytes, int]): The same in float16, and how many weights were rounded.
    RAISES (ValueError): If a weight is too large for float16.
    """
    texts = read_texts(data)
    tensors = safetensors.torch.load(data)
    n_rounded = 0
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            continue
        largest = float(tensor.abs().max()) if tensor.numel() else 0.0
        if not largest <= LIMIT:
            raise ValueError(
                f"{place}: {name} has a weight of {largest:g}, but float16 ends at {LIMIT:,.0f}. "
                "Set `precision = full`."
            )
        tensors[name] = tensor.half()
        n_rounded += tensor.numel()
    return tensors_to_bytes(tensors, texts), n_rounded
