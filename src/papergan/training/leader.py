"""Rank 0 in training on several devices: it announces every step to the followers before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from papergan.game.batch_norm import share_batch_norm
from papergan.game.game import Game
from papergan.game.sharding import Shard, use_shard
from papergan.training.process_group import Command, ProcessGroup


class Leader:
    """Synchronises a `Trainer` with the followers of a process group; by default there are none.

    about: what followers build the same game from. Only the leader decides whether there is another step, and when to
    evaluate, save or stop. A follower runs only announced steps, so no two processes can be at different steps.
    """

    def __init__(
        self, process_group: ProcessGroup | None = None, about: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.process_group, self.about = process_group, about
        self._shard: Shard | None = None

    def begin(self, game: Game) -> None:
        """Send the state of the game to the followers, before the first step of this process."""
        if self.process_group is None:
            return
        share_batch_norm(game.networks)
        with self.process_group.exchange():
            self.process_group.broadcast(Command.TRAIN, content={**self.about, "game": game.state_dict()})
            self._shard = self.process_group.shard(game.device)

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Announce step `number`; inside the block all ranks run it."""
        if self.process_group is None:
            yield
            return
        assert self._shard is not None
        with self.process_group.exchange(), use_shard(self._shard):
            self.process_group.broadcast(Command.STEP, number)
            yield
