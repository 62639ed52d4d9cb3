"""What runs in torch: too little memory, precision, frozen weights."""

from types import SimpleNamespace

import pytest
import torch
from support.checkpoints import KINDS
from support.encoders import build
from support.updates import get_gradients, update
from transformers import AlbertConfig, AlbertModel

from spacy_bert_ner.encode.forward import freeze_parameters, read_bucket
from spacy_bert_ner.encode.transformer import get_shim


class TightModel:
    """Stands in for an encoder on a GPU that has room for some pieces only."""

    config = SimpleNamespace(model_type="tight")

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
@torch.no_grad()
def test_out_of_memory_halves_the_bucket(lengths):
    ids = torch.arange(15).reshape(5, 3)
    tight, roomy = TightModel(9), TightModel(99)
    assert torch.equal(read_bucket(tight, ids, lengths), read_bucket(roomy, ids, lengths))
    assert tight.sizes == [15, 6, 9]


@torch.no_grad()
def test_out_of_memory_halves_as_often_as_need_be():
    ids = torch.arange(42).reshape(14, 3)
    tight = TightModel(6)
    assert torch.equal(read_bucket(tight, ids, None)[..., 0], ids.float())
    assert max(size for size in tight.sizes if size <= 6) == 6
    with pytest.raises(torch.OutOfMemoryError):
        read_bucket(TightModel(2), ids, None)


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        ("none", set()),
        ("embeddings", {"embeddings"}),
        ("1 layer", {"embeddings", "0."}),
        ("2 layers", {"embeddings", "0.", "1."}),
        ("all", {""}),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_frozen_weights_get_no_gradient(get_encoder, kind, freeze, frozen):
    model = build(get_encoder(kind), freeze=freeze)
    update(model)
    # encoder.layer.0.attention.…, layers.0.attn.…
    names = {name for name, _ in get_shim(model)._model.named_parameters()}
    expected = {name for name in names if not any(part in name for part in frozen)}
    assert set(get_gradients(model)) == expected


def test_more_frozen_layers_than_there_are_is_an_error(get_encoder):
    with pytest.raises(ValueError, match='"3 layers"`, but the encoder has 2 layers'):
        build(get_encoder(), freeze="3 layers")


def test_layers_that_share_their_weights_cannot_be_frozen_one_by_one():
    config = AlbertConfig(
        vocab_size=9, embedding_size=4, hidden_size=4, num_attention_heads=1, intermediate_size=4
    )
    model = AlbertModel(config)
    with pytest.raises(ValueError, match=r'`freeze = "1 layer"`, but the layers of AlbertModel .*'):
        freeze_parameters(model, "1 layer")
    freeze_parameters(model, "embeddings")
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert "embeddings.word_embeddings.weight" in frozen
    assert not any("albert_layers" in name for name in frozen)
