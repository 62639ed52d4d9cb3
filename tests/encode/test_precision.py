"""What the encoder computes in, and its copy in that precision."""

import pytest
import torch
from support.checkpoints import BUILDERS, build_checkpoint
from transformers import AutoModel

from spacy_bert_ner.encode import precision
from spacy_bert_ner.encode.precision import PackedLinear, copy_in_precision, find_dtype


def test_auto_is_bfloat16_only_where_there_are_instructions(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for flags, expected in [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_vnni": True, "avx512_bf16": False}, torch.float32),
    ]:
        find_dtype.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags, raising=False)
        assert find_dtype("auto", cpu) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # torch 2.10 lacks it
    for has_bf16, expected in [(True, torch.bfloat16), (False, torch.float32)]:
        find_dtype.cache_clear()
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has_bf16: has)
        assert find_dtype("auto", cpu) == expected
    for has_bf16, expected in [(True, torch.bfloat16), (False, torch.float16)]:
        find_dtype.cache_clear()
        has = lambda including_emulation, has_bf16=has_bf16: has_bf16  # noqa: E731
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", has)
        assert find_dtype("auto", cuda) == expected
    find_dtype.cache_clear()
    assert find_dtype("auto", torch.device("mps")) == torch.float32


def test_buffers_keep_their_precision():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2))
    module.register_buffer("angles", torch.linspace(0, 8000, 9))
    copied = copy_in_precision(module, torch.bfloat16)
    assert {p.dtype for p in copied.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert torch.equal(copied.angles, module.angles) and copied.angles.dtype == torch.float32


@pytest.mark.skipif(not precision._can_pack(), reason="torch has no bfloat16 of oneDNN here")
@pytest.mark.parametrize("kind", BUILDERS)
def test_packed_layers_give_the_same_vectors_to_the_last_bit(kind, tmp_path, monkeypatch):
    model = AutoModel.from_pretrained(build_checkpoint(kind, tmp_path)).eval()
    packed = copy_in_precision(model, torch.bfloat16)
    monkeypatch.setattr(precision, "_can_pack", lambda: False)
    plain = copy_in_precision(model, torch.bfloat16)
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())
    ids = torch.arange(5, 26).view(3, 7)
    mask = torch.arange(7) < torch.tensor([[7], [4], [1]])
    with torch.no_grad():
        for rows in (slice(3), slice(1)):
            given = {"input_ids": ids[rows], "attention_mask": mask[rows].long()}
            X, Y = (found(**given).last_hidden_state for found in (packed, plain))
            assert torch.equal(X, Y) and X.dtype == torch.bfloat16
