"""Networks whose computation changes as training progresses, and controllers that begin at the initial weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import nn

from papergan.game.schedules import Controller, Progress


class FollowsProgress(ABC):
    """A network whose computation depends on the progress of training, for example one that grows.

    Values that its computation branches on are kept on the host; what a stored network needs is kept in a buffer.
    """

    @abstractmethod
    def set_progress(self, progress: Progress) -> float:
        """Change to the network of this progress, without waiting for the device.

        Called before every training step, on the trained network and on its average. Returns the number that the
        computation depends on: a recorded step (CUDA graph) is valid for one such number.
        """

    def report(self) -> Mapping[str, float]:
        """The present state of the network, for reports: host numbers by name, {"level": 1.5}; none by default."""
        return {}


def following_in(networks: nn.Module) -> list[FollowsProgress]:
    """All of these modules and their submodules that follow the progress."""
    return [one for one in networks.modules() if isinstance(one, FollowsProgress)]


class BeginsAtWeights(ABC):
    """A controller whose state begins at the weights that a game starts with, for example their mean over training."""

    @abstractmethod
    def begin(self) -> None:
        """Begin at the present weights, whichever replaced those that the controller was made with."""


def begin_at_weights(controllers: Mapping[str, Controller]) -> None:
    """Let all controllers that begin at the initial weights begin at the present ones."""
    for controller in controllers.values():
        if isinstance(controller, BeginsAtWeights):
            controller.begin()
