"""Would ONNX Runtime's dynamic int8 pay? Speed and F1 against our own float32.

    pip install onnx onnxruntime
    python benchmarks/int8.py --encoder assets/encoder --train train.spacy --test dev.spacy

The trained encoder is exported, quantised, and replaces the torch encoder; everything
around it stays. Writes `benchmarks/results/int8-<processor>.md` and `.json`.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from inference import RESULTS, Table
from onnxruntime.quantization import QuantType, quantize_dynamic
from pipelines import build_ours, copy_words, fit, make_bare, read_docs, stream
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from timing import Timer, compare, describe_machine, find_median, write_results

from spacy_bert_ner.encode import forward
from spacy_bert_ner.encode.transformer import get_shim


class OnlyStates(torch.nn.Module):
    """Gives the encoder's last layer as a plain tensor, which the exporter wants."""

    def __init__(self, model: torch.nn.Module):
        """Wrap an encoder."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Shape: (n_windows, n_columns, width)."""
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


def export(model: torch.nn.Module, folder: Path) -> dict[str, onnxruntime.InferenceSession]:
    """RETURNS (Dict[str, InferenceSession]): The encoder in float32 and in int8."""
    ids = torch.randint(5, 500, (2, 9))
    axes = {0: "windows", 1: "columns"}
    paths = {name: str(folder / f"{name}.onnx") for name in ("float32", "int8")}
    torch.onnx.export(
        OnlyStates(model).eval(),
        (ids, torch.ones_like(ids)),
        paths["float32"],
        input_names=["ids", "mask"],
        output_names=["states"],
        dynamic_axes={"ids": axes, "mask": axes, "states": axes},
        dynamo=False,
    )
    quantize_dynamic(paths["float32"], paths["int8"], per_channel=True, weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return {name: onnxruntime.InferenceSession(path, options) for name, path in paths.items()}


class SwappedEncoder:
    """Our pipeline with another engine in the encoder's place.

    session (Optional[InferenceSession]): The engine; torch if None.
    """

    def __init__(self, session: onnxruntime.InferenceSession | None):
        """Remember the engine."""
        self.session = session
        self.torch_read = forward.read_bucket

    def __enter__(self) -> None:
        """Put the engine in place."""
        if self.session is not None:
            forward.read_bucket = self._read

    def __exit__(self, *_: object) -> None:
        """Put torch back."""
        forward.read_bucket = self.torch_read

    def _read(self, model: object, ids: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        mask = torch.ones_like(ids)
        if lengths is not None:
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        feed = {"ids": ids.contiguous().numpy(), "mask": mask.numpy()}
        return torch.from_numpy(self.session.run(None, feed)[0])  # type: ignore[union-attr]


def score(nlp: Language, docs: list[Doc]) -> float:
    """RETURNS (float): Entity F1."""
    examples = [Example(x, y) for x, y in zip(copy_words(nlp, docs), docs, strict=True)]
    return nlp.evaluate(examples, batch_size=1000)["ents_f"]


def make_swapped(
    nlp: Language, docs: list[Doc], session: onnxruntime.InferenceSession | None
) -> Callable[[], Callable[[], None]]:
    """RETURNS (Callable): Prepares a run of the docs' words with an engine in place."""
    prepare_run = stream(nlp, docs, batch_size=1000)

    def prepare() -> Callable[[], None]:
        run = prepare_run()

        def run_swapped() -> None:
            with SwappedEncoder(session):
                run()

        return run_swapped

    return prepare


def compare_engines(
    table: Table, timer: Timer, nlp: Language, docs: list[Doc], *, rounds: int
) -> None:
    """Add speed and F1 of each engine."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = export(get_shim(nlp.get_pipe("transformer").model)._model, Path(folder))
    engines = {"torch float32": None, **{f"onnx {n}": s for n, s in sessions.items()}}
    runs = {name: make_swapped(nlp, docs, session) for name, session in engines.items()}
    runs["torch float32, bare"] = make_bare(nlp, docs)
    seconds = timer.interleave(runs, rounds=rounds)
    n_words = sum(map(len, docs))
    for name, values in seconds.items():
        ratio = compare(seconds, name, "torch float32")
        speed = f"{n_words / find_median(values):.0f} words/s"
        table.add(name, speed, against=f"{ratio:.2f}× torch float32")
    for name, session in engines.items():
        with SwappedEncoder(session):
            table.add(f"{name}, F1", f"{score(nlp, docs):.4f}", target="≤ 0.003 lower")


def main() -> None:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="assets/encoder")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="1: processor time, not wall time")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    timer = Timer(args.threads)
    nlp = build_ours(args.encoder, compute_dtype="float32")
    fit(nlp, read_docs(args.train, 3000), steps=300)
    table = Table()
    compare_engines(table, timer, nlp, read_docs(args.test, args.limit), rounds=args.rounds)
    machine = {**describe_machine(timer), "onnxruntime": onnxruntime.__version__}
    print(write_results(RESULTS, "int8", machine, table.rows))


if __name__ == "__main__":
    main()
