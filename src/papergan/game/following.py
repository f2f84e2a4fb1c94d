"""Networks that become other ones as training goes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import nn

from papergan.game.schedules import Progress


class FollowsProgress(ABC):
    """A network whose computation depends on the progress of training: one that grows, say.

    It keeps on the host what its computation branches on, and in a buffer what a stored network must know of it.
    """

    @abstractmethod
    def set_progress(self, progress: Progress) -> float:
        """Become what the network is at this progress, without waiting for the device.

        Called before every training step, on the network that trains and on its average. Returns the number that the
        computation depends on: recordings of steps (CUDA graphs) are of one such number.
        """

    def report(self) -> Mapping[str, float]:
        """What the network is at now, for reports: numbers of the host by name, {"level": 1.5}; none by default."""
        return {}


def following_in(networks: nn.Module) -> list[FollowsProgress]:
    """The networks among these modules, and their parts, that follow the progress."""
    return [one for one in networks.modules() if isinstance(one, FollowsProgress)]
