"""An encoder in torch → the same as an ONNX graph with weights in int8."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from ..encode.checkpoint import Checkpoint
from ..encode.onnx_encoder import GRAPH, SIZES, OnnxEncoder
from ..encode.shaped_embedding import count_embeddings
from ..install import import_extra
from ..scratch import temporary_folder

# Operators that every ONNX Runtime since 1.18 knows.
OPSET = 17
# The largest difference of a vector's number to torch's, in parts of the largest number.
NEAR = 1e-4
# Windows and pieces of the inputs that torch and ONNX Runtime are compared on.
SHAPES = ((1, 7), (3, 12))


def export_encoder(checkpoint: Checkpoint) -> OnnxEncoder:
    """Write an encoder as an ONNX graph, in float32.

    checkpoint (Checkpoint): The encoder, which is not changed.
    RETURNS (OnnxEncoder): The same for ONNX Runtime.
    RAISES (ValueError): If a package is missing, or the graph gives other vectors.
    """
    import_extra("onnx", "onnx", used_by="Writing a graph")
    model: Any = checkpoint.model.cpu().eval()
    axes = {0: "windows", 1: "columns"}
    with temporary_folder() as tmp, _quiet():
        torch.onnx.export(
            model,
            (),
            path := tmp / "model.onnx",
            kwargs=_make_inputs(checkpoint, *SHAPES[1]),
            input_names=["ids", "mask"],
            output_names=["states"],
            dynamic_axes={"ids": axes, "mask": axes, "states": axes},
            opset_version=OPSET,
            dynamo=False,
        )
        graph = path.read_bytes()
    encoder = OnnxEncoder(_to_tensor(graph), torch.tensor(count_embeddings(model)), model.config)
    _check_same(checkpoint, encoder)
    return encoder


def quantize_encoder(encoder: OnnxEncoder) -> OnnxEncoder:
    """Round an encoder's weights to int8, each row of a matrix on its own scale.

    Weights use 7 of the 8 bits, so that no processor's sums overflow; numbers between
    the layers are rounded while predicting, a part of a batch on one scale.

    encoder (OnnxEncoder): The encoder in float32.
    RETURNS (OnnxEncoder): The encoder in int8.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with temporary_folder() as tmp, _quiet():
        (source := tmp / "float.onnx").write_bytes(encoder.get_buffer(GRAPH).numpy().tobytes())
        quantize_dynamic(
            source,
            path := tmp / "model.onnx",
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        graph = path.read_bytes()
    return OnnxEncoder(_to_tensor(graph), encoder.get_buffer(SIZES), encoder.config)


def _to_tensor(graph: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(graph), dtype=torch.uint8)


def _make_inputs(checkpoint: Checkpoint, n_windows: int, n_columns: int) -> dict[str, torch.Tensor]:
    n_pieces, n_shapes = count_embeddings(checkpoint.model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(n_pieces * max(1, n_shapes), (n_windows, n_columns), generator=generator)
    mask = torch.ones_like(ids)
    mask[1:, n_columns - 4 :] = 0
    ids[mask == 0] = checkpoint.pad
    return {"input_ids": ids, "attention_mask": mask}


def _check_same(checkpoint: Checkpoint, encoder: OnnxEncoder) -> None:
    for shape in SHAPES:
        given = _make_inputs(checkpoint, *shape)
        with torch.no_grad():
            expected = checkpoint.model(**given).last_hidden_state
        found = encoder(**given).last_hidden_state
        rows = given["attention_mask"].bool()
        difference = float((found - expected)[rows].abs().max() / expected[rows].abs().max())
        if not difference < NEAR:
            raise ValueError(
                f"The ONNX graph of {type(checkpoint.model).__name__} gives vectors that differ by "
                f"{difference:.2g} from torch's, expected less than {NEAR:g}: torch cannot "
                'export this kind of encoder. Keep `engine = "torch"`.'
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # What the exporter warns of is checked; the root logger of onnxruntime gives advice.
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
