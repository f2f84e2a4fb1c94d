"""Optimisers by name, each with the constants of its source, and weight clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adagrad, Optimizer, RMSprop

Optimiser = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Name = Literal["adam", "sgd", "momentum", "rmsprop", "adagrad", "adadelta"]
NAMES: tuple[Name, ...] = get_args(Name)


def adam(
    learning_rate: float,
    betas: tuple[float, float] = (0.5, 0.999),
    *,
    weight_decay: float = 0.0,
    epsilon: float = 1e-8,
) -> Optimiser:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980) with the fused kernel.

    weight_decay: this multiple of the weights is added to their gradients, before Adam scales them.
    """

    def over(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            weights, lr=learning_rate, betas=betas, eps=epsilon, weight_decay=weight_decay, fused=True
        )

    return over


def lazy_adam(learning_rate: float, betas: tuple[float, float], interval: int) -> Optimiser:
    """Adam for an extra step in every `interval`-th iteration: rate times c, betas to the power of c, c = k / (k + 1).

    k is the interval. So the rate and the moving averages per iteration are, over time, the same as without the extra
    steps. Source: as `schedules.EveryNSteps`, appendix B.
    """
    share = interval / (interval + 1)
    return adam(learning_rate * share, (betas[0] ** share, betas[1] ** share))


def sgd(learning_rate: float, momentum: float = 0.0) -> Optimiser:
    """Stochastic gradient descent with the fused kernel: v <- momentum v + gradient, weights <- weights - rate v."""

    def over(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return SGD(weights, lr=learning_rate, momentum=momentum, fused=True)

    return over


def optimiser(name: Name, learning_rate: float, *, beta1: float = 0.5) -> Optimiser:
    """An optimiser by name. learning_rate: for Adadelta a factor on its steps, 1 = plain Adadelta.

    adam: beta1 given, beta2 0.999. sgd: no other setting. momentum: 0.9, Polyak 1964. rmsprop: decay 0.99, Hinton 2012
    (lecture 6e). adagrad: Duchi, Hazan and Singer 2011, JMLR 12. adadelta: rho 0.95, epsilon 1e-6, Zeiler 2012,
    arXiv:1212.5701. Raises ValueError for another name.
    """
    if name == "adam":
        return adam(learning_rate, (beta1, 0.999))
    if name in ("sgd", "momentum"):
        return sgd(learning_rate, 0.9 if name == "momentum" else 0.0)
    if name not in NAMES:
        raise ValueError(f"unknown optimiser {name!r}; there are {', '.join(NAMES)}")

    def over(weights: Iterable[nn.Parameter]) -> Optimizer:
        if name == "rmsprop":
            return RMSprop(weights, lr=learning_rate, alpha=0.99)
        if name == "adagrad":
            return Adagrad(weights, lr=learning_rate)
        return Adadelta(weights, lr=learning_rate, rho=0.95, eps=1e-6)

    return over


def follow_weights(optimiser: Optimizer) -> None:
    """Move the state of an optimiser to the device of its weights, after these moved or a state was loaded.

    Needed for state that is made with the optimiser (AdaGrad's), and for states saved on another kind of device.
    Without a fused kernel, steps are counted on the host, except on a GPU by optimisers that can be "capturable".
    """
    for group in optimiser.param_groups:
        fused = bool(group.get("fused"))
        if "capturable" in group and not fused:
            group["capturable"] = group["params"][0].is_cuda
        for weight in group["params"]:
            counted = weight.device if fused or group.get("capturable") else torch.device("cpu")
            state = optimiser.state.get(weight, {})
            for name, kept in state.items():
                if isinstance(kept, Tensor):
                    state[name] = kept.to(counted if name == "step" else weight.device)


def load_state(optimiser: Optimizer, state: dict[str, Any]) -> None:
    """Load the state of an optimiser that was saved on this or another kind of device."""
    optimiser.load_state_dict(state)
    follow_weights(optimiser)


class Clip:
    """Weight clipping to [-limit, limit], a constraint that is applied after every step of a player.

    Applies to all weights, also of BatchNorm. Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1, limit 0.01;
    gan_optimisation_review (section II.D) keeps weights "under this threshold".
    """

    def __init__(self, limit: float) -> None:
        if limit <= 0:
            raise ValueError(f"a limit of weights must be above 0, got {limit}")
        self.limit = limit

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Clip the weights in place."""
        torch._foreach_clamp_min_(list(network.parameters()), -self.limit)
        torch._foreach_clamp_max_(list(network.parameters()), self.limit)


def scheduled_numbers(optimiser: Optimizer) -> set[str]:
    """Names of the optimiser's hyperparameters that may have a schedule, besides the learning rate with its own."""
    defaults = optimiser.defaults
    numbers = {key for key, value in defaults.items() if type(value) in (int, float) and key != "lr"}
    return numbers | ({"beta1", "beta2"} if "betas" in defaults else set())
