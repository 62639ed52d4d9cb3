"""The check of the device: each thing that can be missing is named."""

import pytest
import torch

from spacy_bert_ner import devices


def set_device(monkeypatch, *, cuda="13.0", available=True, count=1, cupy=True):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(devices, "has_cupy", cupy)
    monkeypatch.setattr(devices, "has_cupy_gpu", cupy)


def test_the_cpu_needs_nothing(monkeypatch):
    set_device(monkeypatch, cuda=None, available=False, cupy=False)
    devices.check_gpu(-1)


def test_a_complete_gpu_passes(monkeypatch):
    set_device(monkeypatch)
    devices.check_gpu(0)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"cuda": None}, "build without CUDA.*pip install --force-reinstall torch"),
        ({"available": False}, "driver is missing.*nvidia-smi"),
        ({"count": 0}, "there are 0, numbered from 0"),
        ({"cupy": False}, r"CuPy is missing.*pip install 'spacy-bert-ner\[cuda13x\]'"),
        ({"cupy": False, "cuda": "12.8"}, r"spacy-bert-ner\[cuda12x\]"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, missing, words):
    set_device(monkeypatch, **missing)
    with pytest.raises(ValueError, match=words):
        devices.check_gpu(0)
