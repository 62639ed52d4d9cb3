"""The optimizers for `[training.optimizer]`: AdamW and SGD over all weights together."""

from functools import partial

import torch
from thinc.optimizers import FloatOrSeq

from ..ranges import check_range
from .joint_optimizer import JointOptimizer

# torch's name of each state → ours, which checkpoints use.
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

    Entry point: spacy-bert-ner.AdamW.v1. It updates all weights together, in
    `step_schedules`, which `spacy train` calls after each batch.

    learn_rate (float | Iterator[float]): The learning rate, or a schedule.
    beta1 (float): Decay of the running mean of the gradients.
    beta2 (float): Decay of the running mean of the squared gradients.
    eps (float): Added to the denominator.
    weight_decay (float): Decoupled weight decay, except for biases and LayerNorm.
    layer_decay (float): Factor for the rate of each layer of the encoder relative to the
        layer above; the top layer has the full rate.
    head_factor (float): Factor for the rate of everything except the encoder.
    grad_clip (float): The largest norm of all gradients together; 0 for no limit.
    accumulate_batches (int): The number of batches per step; their gradients are averaged.
    average_decay (float): Decay of a running mean of the weights, which is evaluated and
        saved instead of them (Polyak averaging); 0 for no averaging. After n steps it is
        at most (1 + n) / (10 + n).
    RETURNS (JointOptimizer): The optimizer.
    RAISES (ValueError): If a setting is out of range.
    """
    check_range("beta1", beta1, 0, below=1)
    check_range("beta2", beta2, 0, below=1)
    check_range("eps", eps, 0)
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

    Entry point: spacy-bert-ner.SGD.v1.

    learn_rate (float | Iterator[float]): The learning rate, or a schedule.
    momentum (float): The share of the last step that is added to the next.
    weight_decay (float): The share of the weights that is added to their gradients,
        except for biases and LayerNorm.
    layer_decay (float): Factor for the rate of each layer of the encoder relative to the
        layer above; the top layer has the full rate.
    head_factor (float): Factor for the rate of everything except the encoder.
    grad_clip (float): The largest norm of all gradients together; 0 for no limit.
    accumulate_batches (int): The number of batches per step; their gradients are averaged.
    average_decay (float): Decay of a running mean of the weights, which is evaluated and
        saved instead of them; 0 for no averaging.
    RETURNS (JointOptimizer): The optimizer.
    RAISES (ValueError): If a setting is out of range.
    """
    check_range("momentum", momentum, 0)
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
