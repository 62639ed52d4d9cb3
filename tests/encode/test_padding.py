"""The mask that knows whether there is padding: transformers' vectors, without its questions."""

import pytest
import torch
from support.checkpoints import KINDS
from support.encoders import build

from spacy_bert_ner.encode.forward import read_bucket
from spacy_bert_ner.encode.padding import PaddingMask, make_mask
from spacy_bert_ner.encode.transformer import get_shim

FULL, PADDED = [7, 7, 7], [7, 3, 5]


@pytest.mark.parametrize("lengths", [FULL, PADDED])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_vectors_are_those_of_a_plain_mask(get_encoder, kind, lengths):
    model = get_shim(build(get_encoder(kind)))._model.eval()
    ids = torch.randint(5, 30, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(7) < torch.tensor(lengths)[:, None]).long()
    expected = model(input_ids=ids, attention_mask=mask).last_hidden_state
    given = None if lengths == FULL else torch.tensor(lengths)
    assert torch.equal(read_bucket(model, ids, given), expected)


@pytest.mark.parametrize("lengths", [FULL, PADDED])
def test_the_mask_answers_without_its_values(lengths):
    on_meta = None if lengths == FULL else torch.tensor(lengths, device="meta")
    mask = make_mask(on_meta, torch.Size([3, 7]), torch.device("meta"))
    for asked in (mask.all(), torch.all(mask == 1), mask.to(dtype=torch.bool).all()):
        assert bool(asked) == (lengths == FULL)
    # Anything else is computed.
    for X in (mask == 0, 1 - mask, mask[:, None], mask.all(dim=1), mask.sum()):
        assert X.device.type == "meta" and not isinstance(X, PaddingMask)


def test_a_mask_can_be_any_argument():
    mask, X = make_mask(None, torch.Size((2, 3)), torch.device("cpu")), torch.rand(2, 3)
    assert X.to(mask).dtype == mask.dtype
    assert torch.equal(torch.cat(tensors=[X, mask]), torch.cat([X, torch.ones(2, 3)]))
    assert bool(mask.eq(torch.ones(2, 3)).all()) and bool((mask == torch.ones(2, 3)).all())
    assert torch.zeros_like(input=mask).sum() == 0
