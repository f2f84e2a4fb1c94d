"""The callbacks of the trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from papergan.game.game import Game
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.training.history import History, Row
from papergan.training.leader import Leader


@dataclass(frozen=True)
class Callbacks:
    """Functions that the trainer calls: with reports, to evaluate, and to check whether it must stop.

    report: gets each row of losses. evaluate: returns metrics of a generator that was exported for it, and of the
    game's discriminator; evaluated: gets the row of these metrics. resumed: gets the history from before this process.
    stop: returns the number of the stop signal received, or None; called before every step. leader: leads further
    processes that run the same steps on other rows of each batch; by default there are none.
    """

    report: Callable[[Row], None] = lambda row: None
    evaluate: Callable[[Sampler, Game, Progress], Row] | None = None
    evaluated: Callable[[Row], None] = lambda row: None
    resumed: Callable[[History], None] = lambda history: None
    stop: Callable[[], int | None] = lambda: None
    leader: Leader = field(default_factory=Leader)
