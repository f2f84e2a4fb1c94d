"""State of an unfinished training of a domain classifier: saving and resuming."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.errors import EvaluationStopped
from papergan.weights import Weights

STEP = "step"


@dataclass(frozen=True)
class Resuming:
    """How a training is resumed and stopped.

    unfinished: the state to resume from. keep: called with the state after every epoch, and when training is stopped.

    should_stop: called between two batches.
    """

    unfinished: Weights | None = None
    keep: Callable[[Weights], None] = lambda state: None
    should_stop: Callable[[], bool] = lambda: False


class Fitting:
    """A network and its SGD optimiser with momentum, at a step of a training that `about` describes.

    step: batches done. sums: of loss and hits over the batches of this epoch so far, float32 [2].
    """

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.SGD, about: Mapping[str, str], resuming: Resuming
    ) -> None:
        self.network, self.optimiser, self.about, self._resuming = network, optimiser, about, resuming
        self.step = 0
        self.sums = torch.zeros(2, device=next(network.parameters()).device)

    def keep(self) -> None:
        """Hand over a copy of the state to be saved."""
        tensors = {name: tensor.detach().clone() for name, tensor in self._tensors().items()}
        self._resuming.keep(Weights(tensors, {**self.about, STEP: str(self.step)}))

    def stop_if_requested(self) -> None:
        """If a stop is requested, save the state, unless no batch is done, and raise EvaluationStopped."""
        if self._resuming.should_stop():
            if self.step > 0:
                self.keep()
            raise EvaluationStopped(f"the training of the domain classifier was stopped after {self.step} batches")

    def resume(self) -> bool:
        """Resume from the unfinished state; returns False if there is none, or it is of another training."""
        state = self._resuming.unfinished
        if state is None:
            return False
        about = {**self.about, STEP: state.metadata.get(STEP, "")}
        if state.metadata != about or {name: t.shape for name, t in state.tensors.items()} != self._shapes():
            return False
        self.network.load_state_dict(state.under("network"))
        for name, parameter in self.network.named_parameters():
            # in the memory layout of the parameter, as torch makes it: another layout might be summed in another order
            buffer = torch.empty_like(parameter, requires_grad=False).copy_(state.tensors[f"momentum.{name}"])
            self.optimiser.state[parameter]["momentum_buffer"] = buffer
        self.sums.copy_(state.tensors["sums"])
        self.step = int(about[STEP])
        return True

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors of the state; requires at least one batch, before which there is no momentum."""
        state = self.optimiser.state
        network = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        momentum = {f"momentum.{name}": state[p]["momentum_buffer"] for name, p in self.network.named_parameters()}
        return {**network, **momentum, "sums": self.sums}

    def _shapes(self) -> dict[str, torch.Size]:
        network = {f"network.{name}": tensor.shape for name, tensor in self.network.state_dict().items()}
        momentum = {f"momentum.{name}": parameter.shape for name, parameter in self.network.named_parameters()}
        return {**network, **momentum, "sums": self.sums.shape}
