"""What runs in torch: memory that does not suffice, precision, frozen weights."""

from types import SimpleNamespace

import pytest
import torch
from support.checkpoints import KINDS
from support.encoders import build
from support.updates import get_gradients, update

from spacy_bert_ner.encode.forward import find_dtype, freeze_parameters, read_bucket
from spacy_bert_ner.encode.transformer import get_shim


class TightModel:
    """Stands in for an encoder on a GPU that has room for some pieces only."""

    def __init__(self, room):
        self.room, self.sizes = room, []

    def __call__(self, input_ids, attention_mask=None):
        self.sizes.append(input_ids.numel())
        if input_ids.numel() > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        X = input_ids[..., None].float()
        return SimpleNamespace(
            last_hidden_state=X if attention_mask is None else X * attention_mask[..., None]
        )


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 1, 2, 3, 1])])
def test_out_of_memory_halves_the_bucket(lengths):
    ids = torch.arange(15).reshape(5, 3)
    tight, roomy = TightModel(9), TightModel(99)
    assert torch.equal(read_bucket(tight, ids, lengths), read_bucket(roomy, ids, lengths))
    assert tight.sizes == [15, 6, 9]


@pytest.mark.parametrize("n_rows", [1, 4])
def test_out_of_memory_twice_names_the_setting(n_rows):
    ids = torch.zeros((n_rows, 8), dtype=torch.long)
    message = rf"`batch_pieces` of the transformer model below {n_rows * 8} \(or `window` below 8"
    with pytest.raises(MemoryError, match=message):
        read_bucket(TightModel(5), ids, None)


def test_auto_is_bfloat16_only_where_there_are_instructions(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for flags, expected in [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_vnni": True, "avx512_bf16": False}, torch.float32),
    ]:
        find_dtype.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert find_dtype("auto", cpu) == expected
    for has_bf16, expected in [(True, torch.bfloat16), (False, torch.float16)]:
        find_dtype.cache_clear()
        has = lambda including_emulation, has_bf16=has_bf16: has_bf16  # noqa: E731
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", has)
        assert find_dtype("auto", cuda) == expected
    find_dtype.cache_clear()
    assert find_dtype("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        ("none", set()),
        ("embeddings", {"embeddings"}),
        ("1 layer", {"embeddings", "layer.0."}),
        ("2 layers", {"embeddings", "layer.0.", "layer.1."}),
        ("all", {"embeddings", "layer.0.", "layer.1."}),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_frozen_weights_get_no_gradient(get_encoder, kind, freeze, frozen):
    model = build(get_encoder(kind), freeze=freeze)
    update(model)
    names = {name for name, _ in get_shim(model)._model.named_parameters()}
    expected = {name for name in names if not any(part in name for part in frozen)}
    assert set(get_gradients(model)) == expected


def test_more_frozen_layers_than_there_are_is_an_error(get_encoder):
    with pytest.raises(ValueError, match='"3 layers", but the encoder has 2 layers'):
        build(get_encoder(), freeze="3 layers")
    with pytest.raises(ValueError, match="has 0 layers"):
        freeze_parameters(torch.nn.Linear(2, 2), "1 layer")
