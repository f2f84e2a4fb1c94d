"""A follower: a process that trains and looks at samples as rank 0 tells it, and touches neither Kedro nor the disk."""

from __future__ import annotations

import signal
import sys

import torch

from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.distributed.sample_features import Share
from papergan.errors import PaperganError
from papergan.game.batch_norm import share_batch_norm
from papergan.game.sharding import shared_out
from papergan.game.training_step import training_step
from papergan.randomness import own_random_state, seed_for
from papergan.training.batches import Batches
from papergan.training.memory import memory_errors
from papergan.training.numerics import autocast_type, numerics
from papergan.training.process_group import Message, ProcessGroup, Verb, device_here


def follow(team: ProcessGroup) -> int:
    """Follow until dismissed. Returns the exit status: 0 when dismissed, 1 with one line where something went wrong.

    Ctrl-C and SIGTERM are the leader's to obey, which saves and then dismisses everybody; where the leader is gone, it
    is noticed at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    try:
        Follower(team).run()
    except PaperganError as error:
        sys.stderr.write(f"papergan: {error}\n")
        return 1
    return 0


class Follower:
    """Does what it is told, in the order in which it is told."""

    def __init__(self, team: ProcessGroup) -> None:
        self.team = team
        self._pupil: Pupil | None = None
        self._share: Share | None = None

    def run(self) -> None:
        """Until dismissed. Raises ProcessGroupError where the leader is lost."""
        while (message := self.team.hear()).verb is not Verb.END:
            self._obey(message)
        self.team.leave()

    def _obey(self, message: Message) -> None:
        if message.verb is Verb.TRAIN:
            self._share = None
            self._pupil = Pupil(self.team, message)
        elif message.verb is Verb.STEP:
            assert self._pupil is not None
            with self.team.exchange():
                self._pupil.step(message.number)
        elif message.verb is Verb.LOOK:
            self._share = Share(self.team, message.content)
        else:
            assert self._share is not None
            if message.verb is Verb.SAMPLE:
                self._share.take_up(message.content)
            elif (answer := self._share.seen(message.number)) is not None:
                self.team.hand_in(answer)


class Pupil:
    """This rank's part in a training: the same game, the same steps, other rows."""

    def __init__(self, team: ProcessGroup, message: Message) -> None:
        told = message.content
        self.recipe = Recipe.model_validate_json(told["recipe"])
        how = self.recipe.training
        images = ImageSpec(*told["spec"])
        self.game = systems.build(self.recipe.system, images, self.recipe.overrides, seed=self.recipe.seed)
        self.game.to(device_here(how.device))
        share_batch_norm(self.game.networks)
        self.game.load_state_dict(told["game"])
        self.batches = Batches(
            told["images"], told["labels"], batch_size=how.batch_size, seed=self.recipe.seed, device=self.game.device,
            flip=how.horizontal_flip, drop_last=how.drop_last, shard=team.rows,
        )  # fmt: skip
        self.shard = team.shard(self.game.device)

    def step(self, step: int) -> None:
        """Play step `step`, as `Trainer` does on rank 0."""
        how, count = self.recipe.training, self.game.batches_per_step
        precise = numerics(how.precision, deterministic=how.deterministic)
        memory = memory_errors(f"training on {self.game.device}", f"lower training.batch_size (now {how.batch_size})")
        with precise, memory, own_random_state(self.game.device), shared_out(self.shard):
            real = self.batches.of_step(step, count)
            torch.manual_seed(seed_for(self.recipe.seed, "step", step))
            training_step(self.game, real, self.batches.progress(step, count), autocast=autocast_type(how.precision))
