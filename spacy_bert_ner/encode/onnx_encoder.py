"""Pieces → vectors, by a graph that ONNX Runtime computes on the CPU."""

from importlib.metadata import version
from typing import Any, NamedTuple

import torch

from ..install import import_extra, install_extra

GRAPH = "onnx"
"""The name of the tensor, in a saved encoder, that is the bytes of an ONNX graph."""
SIZES = "sizes"
"""The name of the tensor with the number of pieces and of shapes that the graph knows."""


class States(NamedTuple):
    """The vectors of pieces, under the name that Hugging Face's encoders give them.

    last_hidden_state (torch.Tensor): Shape: (n_windows, n_columns, width).
    """

    last_hidden_state: torch.Tensor


class OnnxEncoder(torch.nn.Module):
    """Replace a Hugging Face encoder: the same call, computed by ONNX Runtime.

    It has no weights that torch could train. A call uses the caller's thread alone, so any
    number of threads can call at the same time, in a forked process too.

    graph (torch.Tensor): The bytes of an ONNX model with the inputs "ids" and "mask" and
        the output "states". Shape: (n_bytes,).
    sizes (torch.Tensor): Sizes of the tables of pieces and of word shapes, 0 if it has
        none. Shape: (2,).
    config (Any): Hugging Face's config of the encoder.
    RAISES (ValueError): If ONNX Runtime is missing, or can't read the graph.
    """

    def __init__(self, graph: torch.Tensor, sizes: torch.Tensor, config: Any):
        """Keep the bytes, and start a session."""
        super().__init__()
        self.config = config
        self.register_buffer(GRAPH, graph)
        self.register_buffer(SIZES, sizes)
        self._session = start_session(graph)

    def __getstate__(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What pickle and deepcopy keep: all but the session."""
        return {**self.__dict__, "_session": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start a session for the bytes that were kept."""
        super().__setstate__(state)
        self._session = start_session(self.get_buffer(GRAPH))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> States:
        """Compute the vectors of pieces.

        input_ids (torch.Tensor): Piece ids. Shape: (n_windows, n_columns).
        attention_mask (Optional[torch.Tensor]): 1 for pieces, 0 for padding; None if there
            is no padding. Shape: (n_windows, n_columns) or (n_windows, 1, n_columns).
        RETURNS (States): The vectors.
        RAISES (RuntimeError): If ONNX Runtime fails, for example for lack of memory.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        feed = {"ids": input_ids.cpu().numpy(), "mask": mask.view(input_ids.shape).cpu().numpy()}
        try:
            (states,) = self._session.run(["states"], feed)
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise RuntimeError(f"ONNX Runtime: {error}") from error
        return States(torch.from_numpy(states).to(input_ids.device))


def start_session(graph: torch.Tensor) -> Any:
    """Prepare a graph for computation with one thread.

    graph (torch.Tensor): The bytes of an ONNX model. One that refers to other files is
        refused. Shape: (n_bytes,).
    RETURNS (InferenceSession): The session.
    RAISES (ValueError): If ONNX Runtime is missing, or can't read the graph.
    """
    onnxruntime = import_extra("onnxruntime", "onnx", used_by='`engine = "onnx"`')
    options = onnxruntime.SessionOptions()
    # No thread of ONNX Runtime's own: a fork would lose it, and parts are computed side by side.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised
    try:
        return onnxruntime.InferenceSession(
            graph.cpu().numpy().tobytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's errors have no class in common
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"ONNX Runtime {version('onnxruntime')} cannot read the encoder's graph ({reason}). "
            f"Install a newer one ({install_extra('onnx')}), or make the model again with "
            "`python -m spacy bert-ner quantize`."
        ) from error
