"""A model folder → the same with an encoder in int8, measured next to the first one."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
import srsly
from spacy.language import Language
from spacy.util import load_config

from ..encode.onnx_encoder import OnnxEncoder
from ..encode.saved import POOLING, bytes_to_checkpoint, checkpoint_to_bytes
from ..encode.seal import read_texts
from ..encode.settings import ONNX, WITH_ONNX
from ..encode.threads import count_threads
from ..evaluate.predict import measure_speed, predict_view
from ..files import replaced_folder
from ..install import list_requirements
from ..machine import name_processor
from ..manifest import MANIFEST, check_manifest, read_meta, write_manifest
from ..pipe.factory import require_doc_ents
from ..progress import ShowProgress, hide_progress
from .half import change_encoders
from .onnx_graph import export_encoder, quantize_encoder

ARCHITECTURE = "spacy-bert-ner.TransformerModel.v1"
# How often each pipeline reads the dev set; speeds are medians.
ROUNDS = 3


class Quantized(NamedTuple):
    """What a pipeline and its copy in int8 reach, as meta.json has it.

    f_before, f_after (float): F1 on the dev set, up to 1.
    speed_before, speed_after (float): Words per second of `nlp.pipe`.
    ms_before, ms_after (float): Milliseconds of `nlp(text)`, for one text of the dev set.
    """

    f_before: float
    f_after: float
    speed_before: float
    speed_after: float
    ms_before: float
    ms_after: float


def quantize(
    model: Path,
    output: Path,
    *,
    dev: Path,
    max_loss: float = 0.3,
    progress: ShowProgress = hide_progress,
) -> Quantized:
    """Make a pipeline whose encoder predicts in int8 with ONNX Runtime.

    Both pipelines read the dev set in turn on this machine. What they reach goes to
    meta.json, under "quantization".

    model (Path): Folder of the trained pipeline; it is not changed.
    output (Path): Folder of the new one; the result of an earlier call is replaced.
    dev (Path): Gold docs (.spacy) that the pipeline was not trained on.
    max_loss (float): The largest loss of F1 to accept, in points.
    progress (ShowProgress): Watches the docs.
    RETURNS (Quantized): F1 and speed of both.
    RAISES (ValueError): If more F1 is lost or nothing is found, a package is missing, or the
        encoder can't be exported. Then nothing is written.
    RAISES (BrokenModelError): If the pipeline differs from its manifest.
    """
    if (model / MANIFEST).is_file():
        check_manifest(model)
    with replaced_folder(output, record=MANIFEST) as aside:
        shutil.copytree(model, aside, dirs_exist_ok=True)
        if not change_encoders(aside, _to_int8):
            raise ValueError(
                f"{model}: no weights of {ARCHITECTURE}, expected an encoder to quantize. Train "
                "a pipeline with this architecture."
            )
        config = load_config(aside / "config.cfg")
        _set_engine(config)
        config.to_disk(aside / "config.cfg")
        nlp = spacy.load(model)
        require_doc_ents(nlp, "the loss is measured on")
        found = measure([nlp, spacy.load(aside)], dev, progress=progress)
        if not found.f_before:
            raise ValueError(
                f"{model} finds no gold entity of {dev.name}, so what int8 loses cannot be "
                "measured. Give gold docs with the labels of the pipeline."
            )
        loss = 100 * (found.f_before - found.f_after)
        if loss > max_loss:
            raise ValueError(
                f"int8 loses {loss:.2f} points of F1 on {dev.name} ({100 * found.f_before:.2f} → "
                f"{100 * found.f_after:.2f}), expected at most `max_loss = {max_loss:g}`. Nothing "
                "was written. Raise `max_loss` to accept the loss, or keep the pipeline as it is."
            )
        srsly.write_json(aside / "meta.json", _describe(read_meta(aside), found, dev))
        write_manifest(aside)
    return found


def measure(nlps: list[Language], dev: Path, *, progress: ShowProgress) -> Quantized:
    """Read a corpus with two pipelines in turn.

    nlps (List[Language]): The pipeline before and after.
    dev (Path): Gold docs (.spacy).
    progress (ShowProgress): Watches the docs.
    RETURNS (Quantized): F1, and the medians of the speeds.
    """
    # shape: (ROUNDS, 2, 3)
    rounds = np.array([[_measure_once(nlp, dev, progress) for nlp in nlps] for _ in range(ROUNDS)])
    return Quantized(*np.median(rounds, axis=0).T.ravel().tolist())


def _measure_once(nlp: Language, dev: Path, progress: ShowProgress) -> tuple[float, float, float]:
    view = predict_view(nlp, dev, gold_words=True, progress=progress)
    speed = measure_speed(nlp, view)
    return (
        view.spacy["ents_f"] or 0.0,
        speed["words_per_second"] or 0.0,
        speed["ms_per_text"] or 0.0,
    )


def _to_int8(data: bytes, place: str) -> bytes:
    pooling = read_texts(data)[POOLING]
    checkpoint = bytes_to_checkpoint(
        data, pooling=pooling, attention="eager", dropout=None, shapes=None, engine=None
    )
    if isinstance(checkpoint.model, OnnxEncoder):
        raise ValueError(
            f'The encoder has `engine = "{ONNX}"` already, expected weights of torch. Quantize the '
            "pipeline that it was made from."
        )
    graph = quantize_encoder(export_encoder(checkpoint))
    return checkpoint_to_bytes(replace(checkpoint, model=graph), pooling=pooling)


def _set_engine(section: dict[str, Any]) -> None:
    if section.get("@architectures") == ARCHITECTURE:
        section["engine"] = ONNX
        for name, choices in WITH_ONNX.items():
            if section.get(name, choices[0]) not in choices:
                section[name] = choices[0]
    for value in section.values():
        if isinstance(value, dict):
            _set_engine(value)


def _describe(meta: dict[str, Any], found: Quantized, dev: Path) -> dict[str, Any]:
    needs = [str(need).split(";")[0] for need in list_requirements("onnx")]
    runtime = [need for need in needs if need.startswith("onnxruntime")]
    return {
        **meta,
        "requirements": [*(meta.get("requirements") or []), *runtime],
        "quantization": {
            **found._asdict(),
            "dev": dev.name,
            "processor": name_processor(),
            "threads": count_threads(None),
        },
    }
