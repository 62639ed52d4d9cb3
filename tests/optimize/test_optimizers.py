"""The optimizers against PyTorch's own, given arrays and given torch parameters."""

import copy
import math

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import registry
from thinc.api import Linear, PyTorchWrapper, chain
from transformers import AlbertConfig, AlbertModel

from spacy_bert_ner.optimize.parameter_groups import find_options

N_STEPS = 12
# The clipping of most steps bites at this norm, that of some does not.
CLIP = 3.2


def make_optimizer(name="AdamW", **settings):
    settings = {"learn_rate": 0.01, **settings}
    config = {"@optimizers": f"spacy-bert-ner.{name}.v1", **settings}
    return registry.resolve({"optimizer": config})["optimizer"]


def make_module():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Embedding(7, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 3)
    )


def make_batches(n_steps=N_STEPS):
    rng = torch.Generator().manual_seed(1)
    return [
        (torch.randint(7, (4,), generator=rng), 3 * torch.randn(4, 3, generator=rng))
        for _ in range(n_steps)
    ]


def backprop(module, batch):
    X, Y = batch
    ((module(X) - Y) ** 2).mean().backward()


def give_arrays(optimizer, module):
    for name, parameter in module.named_parameters():
        weights, _ = optimizer((1, name), parameter.detach().numpy(), parameter.grad.numpy())
        assert np.shares_memory(weights, parameter.detach().numpy())


def give_parameters(optimizer, module):
    optimizer.add_parameters(1, module.named_parameters())


def train_with_torch(make, *, decay=0.0, n_batches=1, clip=CLIP, factors=None):
    """The reference: torch's optimizer, groups spelled out, clipping as its manual says."""
    module = make_module()
    factors = factors or {}
    groups = [
        {"params": [p], "weight_decay": decay * (p.dim() > 1), "lr": 0.01 * factors.get(name, 1)}
        for name, p in module.named_parameters()
    ]
    optimizer = make(groups)
    norms = []
    for i, batch in enumerate(make_batches(), start=1):
        backprop(module, batch)
        if i % n_batches == 0:
            for parameter in module.parameters():
                parameter.grad /= n_batches
            norms.append(torch.nn.utils.clip_grad_norm_(module.parameters(), clip or math.inf))
            optimizer.step()
            optimizer.zero_grad()
    return module, norms


def train_with_ours(optimizer, give):
    module = make_module()
    for batch in make_batches():
        backprop(module, batch)
        give(optimizer, module)
        optimizer.step_schedules()
    return module


def find_distance(module, other):
    pairs = zip(module.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
@pytest.mark.parametrize("n_batches", [1, 3])
@pytest.mark.parametrize("clip", [CLIP, 0.0])
def test_adamw_equals_torch(give, n_batches, clip):
    expected, norms = train_with_torch(
        lambda groups: torch.optim.AdamW(groups, betas=(0.8, 0.95), eps=1e-6),
        decay=0.1,
        n_batches=n_batches,
        clip=clip,
    )
    assert min(norms) < CLIP < max(norms)
    optimizer = make_optimizer(
        beta1=0.8,
        beta2=0.95,
        eps=1e-6,
        weight_decay=0.1,
        grad_clip=clip,
        accumulate_batches=n_batches,
    )
    assert find_distance(train_with_ours(optimizer, give), expected) < 1e-6
    assert find_distance(make_module(), expected) > 0.01


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_equals_torch(give, momentum):
    expected, _ = train_with_torch(
        lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=momentum), decay=0.1
    )
    optimizer = make_optimizer("SGD", momentum=momentum, weight_decay=0.1, grad_clip=CLIP)
    assert find_distance(train_with_ours(optimizer, give), expected) < 1e-6


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("beta1", 0.9, 0.5),
        ("beta2", 0.999, 0.9),
        ("eps", 1e-8, 0.1),
        ("weight_decay", 0.01, 0.5),
        ("grad_clip", 1.0, 3.5),
        ("head_factor", 1.0, 2.0),
        ("accumulate_batches", 1, 2),
        ("learn_rate", 0.01, 0.02),
    ],
)
def test_setting_changes_the_weights(name, default, other):
    modules = [
        train_with_ours(make_optimizer(**{name: value}), give_arrays) for value in (default, other)
    ]
    assert find_distance(modules[0], train_with_ours(make_optimizer(), give_arrays)) == 0
    assert find_distance(*modules) > 1e-4


def test_groups_by_name():
    names = {
        "embeddings.word_embeddings.weight": (0.25, 0.1),
        "embeddings.word_embeddings.word_shapes.weight": (1.0, 0.1),
        "embeddings.LayerNorm.weight": (0.25, 0.0),
        "encoder.layer.0.attention.self.query.weight": (0.5, 0.1),
        "encoder.layer.0.attention.self.query.bias": (0.5, 0.0),
        "encoder.layer.1.output.dense.weight": (1.0, 0.1),
        "pooler.dense.weight": (1.0, 0.1),
    }
    n_dims = {(3, name): 1 + ("LayerNorm" not in name) for name in names}
    n_dims |= {(4, "W"): 2, (4, "b"): 1, (5, "b"): 2, (5, "G"): 1}
    options = find_options(n_dims, layer_decay=0.5, head_factor=5.0, weight_decay=0.1)
    assert {name: options[3, name] for name in names} == names
    assert options[4, "W"] == (5.0, 0.1)
    # A bias is never decayed, not even the two-dimensional one of a Maxout layer.
    assert options[4, "b"] == options[5, "b"] == options[5, "G"] == (5.0, 0.0)


@pytest.mark.parametrize(
    "name", ["transformer.layer.5.ffn.lin1.weight", "h.5.mlp.weight", "model.layers.5.mlp.weight"]
)
def test_groups_know_other_encoders(name):
    n_dims = {(1, name): 2, (1, name.replace("5", "0")): 2, (1, "embed_tokens.weight"): 2}
    options = find_options(n_dims, layer_decay=0.5, head_factor=1.0, weight_decay=0.0)
    assert [option.factor for option in options.values()] == [1.0, 0.5**5, 0.5**6]


def test_albert_is_an_encoder():
    config = AlbertConfig(
        vocab_size=50,
        embedding_size=8,
        hidden_size=16,
        num_attention_heads=2,
        intermediate_size=20,
        num_hidden_layers=3,
    )
    model = AlbertModel(config, add_pooling_layer=False)
    n_dims = {(1, name): p.dim() for name, p in model.named_parameters()}
    options = find_options(n_dims, layer_decay=0.8, head_factor=10.0, weight_decay=0.01)
    assert {option.factor for option in options.values()} == {1.0}


def test_an_encoder_is_what_is_handed_over_as_one():
    # Names that say nothing: the model's number does.
    n_dims = {(1, "a.weight"): 2, (2, "a.weight"): 2}
    options = find_options(
        n_dims, layer_decay=0.8, head_factor=10.0, weight_decay=0.0, encoder_ids={2}
    )
    assert [option.factor for option in options.values()] == [10.0, 1.0]
    steps = []
    for give in (give_arrays, give_parameters):
        module = torch.nn.Linear(2, 1, bias=False)
        module.weight.grad = torch.ones(1, 2)
        before = module.weight.detach().clone()
        give(make_optimizer("SGD", head_factor=5.0, grad_clip=0.0), module)
        steps.append((before - module.weight).detach().mean().item())
    assert steps == pytest.approx([0.05, 0.01])


def test_norm_is_global_over_thinc_and_torch():
    X, dY = np.ones((2, 3), dtype="f"), np.full((2, 2), 10.0, dtype="f")
    model = chain(Linear(4, 3), PyTorchWrapper(torch.nn.Linear(4, 2)))
    model.initialize(X=X)
    before = {node.name: node.get_param("W").copy() for node in model.walk() if node.has_param("W")}
    torch_layer = model.layers[1].shims[0]._model
    torch_before = torch_layer.weight.detach().clone()
    optimizer = make_optimizer("SGD", learn_rate=1.0, grad_clip=0.5)
    model.begin_update(X)[1](dY)
    model.finish_update(optimizer)
    optimizer.step_schedules()
    steps = [model.layers[0].get_param("W") - before["linear"], model.layers[0].get_param("b")]
    steps.append((torch_layer.weight - torch_before).detach().numpy())
    bias_step = 0.5**2 - sum(float((step**2).sum()) for step in steps)
    # What is left of the squared norm is the step of the torch layer's bias.
    assert 0 < bias_step < 0.5**2
    assert all(np.abs(step).max() > 0 for step in steps)


def test_read_only_weights_are_replaced():
    weights, gradient = np.ones(3, dtype="f"), np.ones(3, dtype="f")
    weights.flags.writeable = False
    optimizer = make_optimizer("SGD", learn_rate=0.5, grad_clip=0.0)
    new_weights, gradient = optimizer((1, "W"), weights, gradient)
    optimizer.step_schedules()
    assert new_weights.tolist() == [0.5, 0.5, 0.5]
    assert weights.tolist() == [1, 1, 1] and gradient.tolist() == [0, 0, 0]


def train_by_hand(optimizer, give, *, n_steps=N_STEPS, steps_every=None):
    """A plain loop: `step_schedules` is never called, or once in a while."""
    module, distances = make_module(), []
    for i, batch in enumerate(make_batches(n_steps), start=1):
        before = copy.deepcopy(module)
        module.zero_grad()
        backprop(module, batch)
        give(optimizer, module)
        distances.append(find_distance(before, module))
        if steps_every and i % steps_every == 0:
            optimizer.step_schedules()
    return module, distances


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
@pytest.mark.parametrize("steps_every", [None, 2, 5])
def test_each_update_of_a_plain_loop_is_a_step(give, steps_every):
    optimizer = make_optimizer(weight_decay=0.1, grad_clip=0.0)
    module, distances = train_by_hand(optimizer, give, steps_every=steps_every)
    expected, _ = train_with_torch(torch.optim.AdamW, decay=0.1, clip=0.0)
    assert find_distance(module, expected) < 1e-6
    assert all(distances)


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
def test_one_update_of_a_plain_loop_is_a_step(give):
    _, distances = train_by_hand(make_optimizer(), give, n_steps=1)
    assert distances[0] > 1e-3


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
def test_a_plain_loop_accumulates_batches(give):
    settings = {"accumulate_batches": 3, "weight_decay": 0.1, "grad_clip": 0.0}
    module, distances = train_by_hand(make_optimizer(**settings), give)
    expected, _ = train_with_torch(torch.optim.AdamW, decay=0.1, n_batches=3, clip=0.0)
    assert find_distance(module, expected) < 1e-6
    assert [bool(distance) for distance in distances] == [False, False, True] * 4


def test_a_plain_loop_follows_the_schedule():
    rate = {"@schedules": "spacy-bert-ner.linear.v1", "rate": 1.0, "warmup": "2 steps"}
    optimizer = make_optimizer("SGD", learn_rate={**rate, "total_steps": 4}, grad_clip=0.0)
    weights, rates = np.zeros(1, dtype="f"), []
    for _ in range(4):
        before = weights.copy()
        weights, _ = optimizer((1, "W"), weights, np.ones(1, dtype="f"))
        rates += (before - weights).tolist()
    assert rates == [0.5, 1.0, 0.5, 0.0]


def test_order_of_the_gradients_does_not_change_the_step():
    modules = []
    for order in (1, -1):
        module, optimizer = make_module(), make_optimizer(grad_clip=1e-3)
        for batch in make_batches():
            backprop(module, batch)
            named = list(module.named_parameters())[::order]
            for name, parameter in named:
                optimizer((1, name), parameter.detach().numpy(), parameter.grad.numpy())
            optimizer.step_schedules()
        modules.append(module)
    assert find_distance(*modules) == 0


def test_weights_of_another_shape_start_anew():
    optimizer = make_optimizer(average_decay=0.5, accumulate_batches=2)
    for n, n_steps in ((3, 3), (5, 3)):
        weights = np.zeros(n, dtype="f")
        for _ in range(n_steps):
            optimizer((1, "W"), weights, np.ones(n, dtype="f"))
            optimizer.step_schedules()
    assert optimizer.averages[1, "W"].shape == (5,)
    assert optimizer.get_state()[1, "W"]["step"] == 2


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
@pytest.mark.parametrize("n_batches", [1, 2])
def test_state_goes_on_where_it_stopped(name, n_batches):
    settings = {"accumulate_batches": n_batches, "average_decay": 0.6}
    settings |= {"momentum": 0.9} if name == "SGD" else {}
    whole = train_with_ours(make_optimizer(name, **settings), give_arrays)
    module, optimizer = make_module(), make_optimizer(name, **settings)
    for i, batch in enumerate(make_batches()):
        if i == 5:
            state = optimizer.get_state()
            assert all(("gradient" in kept) == (n_batches == 2) for kept in state.values())
            optimizer = make_optimizer(name, **settings)
            # in another order, as a file gives it
            optimizer.set_state(dict(reversed(list(state.items()))), n_batches=5)
            assert optimizer.get_state().keys() == state.keys()
        module.zero_grad()
        backprop(module, batch)
        give_arrays(optimizer, module)
        optimizer.step_schedules()
    assert find_distance(module, whole) == 0


def test_parts_of_a_batch_count_as_one():
    def train(accumulate_batches, n_parts):
        module = make_module()
        optimizer = make_optimizer("SGD", accumulate_batches=accumulate_batches)
        optimizer.n_parts = n_parts
        for i, batch in enumerate(make_batches(), start=1):
            backprop(module, batch)
            if i % n_parts == 0:
                give_parameters(optimizer, module)
                optimizer.step_schedules()
        return module

    assert find_distance(train(2, 1), train(1, 2)) < 1e-6
    assert find_distance(train(2, 1), train(1, 1)) > 1e-4


def test_arrays_are_stepped_where_they_are(monkeypatch):
    # In another thread, the context's device may not be that of the weights.
    monkeypatch.setattr("thinc.util.get_torch_default_device", lambda: torch.device("meta"))
    weights = np.ones(3, dtype="f")
    optimizer = make_optimizer("SGD", learn_rate=0.5, grad_clip=0.0)
    optimizer((1, "W"), weights, np.ones(3, dtype="f"))
    assert weights.tolist() == [0.5] * 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradient_that_is_not_finite_stops_before_the_step(value):
    module, optimizer = make_module(), make_optimizer()
    for i, batch in enumerate(make_batches(2)):
        before = [p.detach().clone() for p in module.parameters()]
        backprop(module, batch)
        if i == 1:
            module[2].bias.grad[0] = value
        give_parameters(optimizer, module)
        if i == 0:
            optimizer.step_schedules()
    with pytest.raises(ValueError, match=rf"batch 2 .*norm {value}.*Lower the learning rate"):
        optimizer.step_schedules()
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))


@pytest.mark.parametrize("give", [give_arrays, give_parameters])
@pytest.mark.parametrize(("name", "n_batches"), [("AdamW", 1), ("AdamW", 2), ("SGD", 1)])
def test_averages_are_running_means_of_the_weights(give, name, n_batches):
    settings = {"average_decay": 0.6, "accumulate_batches": n_batches}
    optimizer, module = make_optimizer(name, **settings), make_module()
    means = {}
    for i, batch in enumerate(make_batches(), start=1):
        backprop(module, batch)
        give(optimizer, module)
        module.zero_grad()
        optimizer.step_schedules()
        n_steps, is_step = divmod(i, n_batches)
        if is_step:
            continue
        for key, parameter in module.named_parameters():
            weights = parameter.detach().numpy().astype("float64")
            decay = min(0.6, (1 + n_steps) / (10 + n_steps)) if key in means else 0.0
            means[key] = decay * means.get(key, 0.0) + (1 - decay) * weights
    assert optimizer.averages.keys() == {(1, key) for key in means}
    for key, mean in means.items():
        np.testing.assert_allclose(optimizer.averages[1, key], mean, atol=1e-6)
    assert (
        find_distance(
            module, train_with_ours(make_optimizer(name, accumulate_batches=n_batches), give)
        )
        == 0
    )


def test_there_are_no_averages_unless_asked_for():
    assert make_optimizer().averages is None


def test_schedule_is_asked_once_for_each_batch():
    optimizer = make_optimizer(
        learn_rate={
            "@schedules": "spacy-bert-ner.linear.v1",
            "rate": 1.0,
            "warmup": "2 steps",
            "total_steps": 4,
        }
    )
    rates = []
    for _ in range(5):
        rates.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert rates == [0.5, 1.0, 0.5, 0.0, 0.0]


def test_trains_stock_components():
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.config["training"]["optimizer"] = {"@optimizers": "spacy-bert-ner.AdamW.v1"}
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.01
    data = [("Alex lives in London", [(0, 4, "PER"), (14, 20, "LOC")]), ("Hi", [])]
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": e}) for text, e in data]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
        optimizer.step_schedules()
    assert nlp.evaluate(examples)["ents_f"] == 1.0
