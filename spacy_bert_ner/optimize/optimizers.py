"""The optimizers for `[training.optimizer]`: AdamW and SGD over all weights together."""

from functools import partial

import torch
from thinc.optimizers import FloatOrSeq

from .joint_optimizer import JointOptimizer

# What `get_state` calls what torch keeps of a weight; checkpoints have these names.
_ADAMW_STATE = {"exp_avg": "mean", "exp_avg_sq": "square", "step": "step"}
_SGD_STATE = {"momentum_buffer": "momentum"}


def make_adamw_v1(
    learn_rate: FloatOrSeq,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    layer_decay: float = 1.0,
    head_factor: float = 1.0,
    grad_clip: float = 1.0,
    accumulate_batches: int = 1,
    average_decay: float = 0.0,
) -> JointOptimizer:
    """Make AdamW, as PyTorch computes it, for all weights of a pipeline.

    Entry point: spacy-bert-ner.AdamW.v1. All weights take their step together in
    `step_schedules`, which `spacy train` calls after each batch.

    learn_rate (float | Iterator[float]): The learning rate, or a schedule of them.
    beta1 (float): Share of the old in the running mean of the gradients.
    beta2 (float): Share of the old in the running mean of their squares.
    eps (float): Added to the denominator.
    weight_decay (float): Decoupled decay; biases and LayerNorm are left out.
    layer_decay (float): What the rate is multiplied with for each layer of the
        encoder, from its top layer (1.0) down to the embeddings.
    head_factor (float): What the rate of everything but the encoder is multiplied
        with.
    grad_clip (float): Largest norm of all gradients together; 0 for no limit.
    accumulate_batches (int): Batches whose mean gradient makes one step.
    average_decay (float): Share of the old in a running mean of the weights, which is
        evaluated and saved in their place (Polyak averaging); 0 for the weights
        themselves. After n steps it is at most (1 + n) / (10 + n).
    RETURNS (JointOptimizer): The optimizer.
    """
    return JointOptimizer(
        learn_rate,
        make_torch=partial(torch.optim.AdamW, betas=(beta1, beta2), eps=eps),
        state_names=_ADAMW_STATE,
        weight_decay=weight_decay,
        layer_decay=layer_decay,
        head_factor=head_factor,
        grad_clip=grad_clip,
        accumulate_batches=accumulate_batches,
        average_decay=average_decay,
    )


def make_sgd_v1(
    learn_rate: FloatOrSeq,
    *,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
    head_factor: float = 1.0,
    grad_clip: float = 1.0,
    accumulate_batches: int = 1,
    average_decay: float = 0.0,
) -> JointOptimizer:
    """Make stochastic gradient descent for all weights of a pipeline.

    Entry point: spacy-bert-ner.SGD.v1. Other settings as in spacy-bert-ner.AdamW.v1.

    learn_rate (float | Iterator[float]): The learning rate, or a schedule of them.
    momentum (float): Share of the last step that is added to the next.
    weight_decay (float): Share of the weights added to their gradients; biases and
        LayerNorm are left out.
    layer_decay (float): What the rate is multiplied with for each layer downwards.
    head_factor (float): What the rate of everything but the encoder is multiplied
        with.
    grad_clip (float): Largest norm of all gradients together; 0 for no limit.
    accumulate_batches (int): Batches whose mean gradient makes one step.
    average_decay (float): Share of the old in a running mean of the weights, which is
        evaluated and saved in their place; 0 for the weights themselves.
    RETURNS (JointOptimizer): The optimizer.
    """
    return JointOptimizer(
        learn_rate,
        make_torch=partial(torch.optim.SGD, momentum=momentum),
        state_names=_SGD_STATE,
        weight_decay=weight_decay,
        layer_decay=layer_decay,
        head_factor=head_factor,
        grad_clip=grad_clip,
        accumulate_batches=accumulate_batches,
        average_decay=average_decay,
    )
