"""The optimizers for `[training.optimizer]`: AdamW and SGD over all weights together."""

import torch
from thinc.optimizers import FloatOrSeq
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from .joint_optimizer import JointOptimizer, StepSettings
from .parameter_groups import Key


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
) -> "AdamW":
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
    RETURNS (AdamW): The optimizer.
    """
    return AdamW(
        learn_rate,
        betas=(beta1, beta2),
        eps=eps,
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
) -> "SGD":
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
    RETURNS (SGD): The optimizer.
    """
    return SGD(
        learn_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        layer_decay=layer_decay,
        head_factor=head_factor,
        grad_clip=grad_clip,
        accumulate_batches=accumulate_batches,
        average_decay=average_decay,
    )


class AdamW(JointOptimizer):
    """AdamW (Loshchilov and Hutter 2019), equal to `torch.optim.AdamW`."""

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **settings: float,
    ) -> None:
        """Start without weights; see `make_adamw_v1`."""
        super().__init__(learn_rate, **settings)  # type: ignore[arg-type]
        self.b1, self.b2 = betas
        self.eps = eps

    def _step_group(self, keys: list[Key], settings: StepSettings) -> None:
        weights, gradients = self._get_tensors(keys, settings)
        for key, weight in zip(keys, weights, strict=True):
            if key not in self.state:
                self.state[key] = {
                    "mean": torch.zeros_like(weight),
                    "square": torch.zeros_like(weight),
                    "step": torch.zeros((), dtype=torch.float32, device=settings.device),
                }
        adamw(
            weights,
            gradients,
            [self.state[key]["mean"] for key in keys],
            [self.state[key]["square"] for key in keys],
            [],
            [self.state[key]["step"] for key in keys],
            fused=settings.is_fused,
            grad_scale=settings.grad_scale,
            amsgrad=False,
            beta1=self.b1,
            beta2=self.b2,
            lr=settings.learn_rate,
            weight_decay=settings.decay,
            eps=self.eps,
            maximize=False,
        )


class SGD(JointOptimizer):
    """Stochastic gradient descent with momentum, equal to `torch.optim.SGD`."""

    def __init__(self, learn_rate: FloatOrSeq, *, momentum: float = 0.0, **settings: float) -> None:
        """Start without weights; see `make_sgd_v1`."""
        super().__init__(learn_rate, **settings)  # type: ignore[arg-type]
        self.momentum = momentum

    def _step_group(self, keys: list[Key], settings: StepSettings) -> None:
        weights, gradients = self._get_tensors(keys, settings)
        if self.momentum:
            for key, weight in zip(keys, weights, strict=True):
                self.state.setdefault(key, {"momentum": torch.zeros_like(weight)})
        sgd(
            weights,
            gradients,
            [self.state[key]["momentum"] if self.momentum else None for key in keys],
            fused=settings.is_fused,
            grad_scale=settings.grad_scale,
            weight_decay=settings.decay,
            momentum=self.momentum,
            lr=settings.learn_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
