"""The leader's side of a training on several devices: the followers are told of every step before it is played."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from papergan.game.batch_norm import share_batch_norm
from papergan.game.game import Game
from papergan.game.sharding import Shard, shared_out
from papergan.training.process_group import ProcessGroup, Verb


class Leader:
    """What `Trainer` does for a team; by default for none. about: what followers build the same game from.

    Only the leader decides: whether there is another step, when it evaluates, saves or stops. A follower that was not
    told of a step does not play it, so that no two processes can be at different places.
    """

    def __init__(self, team: ProcessGroup | None = None, about: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.team, self.about = team, about
        self._shard: Shard | None = None

    def begin(self, game: Game) -> None:
        """Hand over the game as it is before the first step of this process."""
        if self.team is None:
            return
        share_batch_norm(game.networks)
        with self.team.exchange():
            self.team.tell(Verb.TRAIN, content={**self.about, "game": game.state_dict()})
            self._shard = self.team.shard(game.device)

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Inside the block, step `number` is played by all."""
        if self.team is None:
            yield
            return
        assert self._shard is not None
        with self.team.exchange(), shared_out(self._shard):
            self.team.tell(Verb.STEP, number)
            yield
