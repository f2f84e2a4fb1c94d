"""A command on several processes: rank 0 runs it, the others follow, without Kedro or disk access."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.distributed.evaluator import FollowerEvaluator
from papergan.errors import PaperganError
from papergan.game.batch_norm import share_batch_norm
from papergan.game.sharding import use_shard
from papergan.game.training_step import training_step
from papergan.randomness import own_random_state, seed_for
from papergan.training import process_group as group
from papergan.training.batches import Batches
from papergan.training.memory import memory_errors
from papergan.training.numerics import autocast_type, numerics
from papergan.training.process_group import Command, Message, ProcessGroup, device_here

T = TypeVar("T")


def run_distributed(command: Callable[[], T]) -> T:
    """Join the process group; run the command on rank 0 and follow on the others, which exit when it has ended.

    A process that has already joined only runs the command. Exits with 1 if the others do not join.
    """
    if group.current() is not None:
        return command()
    try:
        process_group = group.join()
    except group.ProcessGroupError as error:
        sys.stderr.write(f"papergan: {error}\n")
        sys.exit(1)
    if process_group.rank:
        sys.exit(follow(process_group))
    try:
        return command()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the end
        process_group.leave()


def follow(process_group: ProcessGroup) -> int:
    """Run a follower to its end. Returns the exit status: 0 after the leader's END, 1 with one line after an error.

    Ctrl-C and SIGTERM are ignored here: the leader reacts to them by saving and then ending the followers. A lost
    leader is noticed at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    try:
        Follower(process_group).run()
    except PaperganError as error:
        sys.stderr.write(f"papergan: {error}\n")
        return 1
    return 0


class Follower:
    """Executes the commands of the leader in their order."""

    def __init__(self, process_group: ProcessGroup) -> None:
        self.process_group = process_group
        self._trainer: FollowerTrainer | None = None
        self._evaluator: FollowerEvaluator | None = None

    def run(self) -> None:
        """Execute commands until END. Raises ProcessGroupError where the leader is lost."""
        while (message := self.process_group.receive_broadcast()).command is not Command.END:
            self._execute(message)
        self.process_group.leave()

    def _execute(self, message: Message) -> None:
        if message.command is Command.TRAIN:
            self._evaluator = None
            self._trainer = FollowerTrainer(self.process_group, message)
        elif message.command is Command.STEP:
            assert self._trainer is not None
            with self.process_group.exchange():
                self._trainer.step(message.number)
        elif message.command is Command.LOAD_EXTRACTORS:
            self._evaluator = FollowerEvaluator(self.process_group, message.content)
        else:
            assert self._evaluator is not None
            if message.command is Command.LOAD_GENERATOR:
                self._evaluator.load_generator(message.content)
            elif (answer := self._evaluator.features(message.number)) is not None:
                self.process_group.send_to_leader(answer)


class FollowerTrainer:
    """The training of this rank: the same game and steps as the leader's, on its own rows."""

    def __init__(self, process_group: ProcessGroup, message: Message) -> None:
        content = message.content
        self.recipe = Recipe.model_validate_json(content["recipe"])
        training = self.recipe.training
        images = ImageSpec(*content["spec"])
        self.game = systems.build(self.recipe.system, images, self.recipe.overrides, seed=self.recipe.seed)
        self.game.to(device_here(training.device))
        share_batch_norm(self.game.networks)
        self.game.load_state_dict(content["game"])
        self.batches = Batches(
            content["images"], content["labels"], batch_size=training.batch_size,
            batch_sizes=training.batch_sizes, seed=self.recipe.seed, device=self.game.device,
            flip=training.horizontal_flip, drop_last=training.drop_last, shard=process_group.rows,
        )  # fmt: skip
        self.shard = process_group.shard(self.game.device)

    def step(self, step: int) -> None:
        """Run training step `step` as `Trainer` does on rank 0."""
        training, count = self.recipe.training, self.game.batches_per_step
        precise = numerics(training.precision, deterministic=training.deterministic)
        memory = memory_errors(
            f"training on {self.game.device}", f"lower training.batch_size (now {max(training.sizes.all)})"
        )
        with precise, memory, own_random_state(self.game.device), use_shard(self.shard):
            real = self.batches.of_step(step, count)
            torch.manual_seed(seed_for(self.recipe.seed, "step", step))
            training_step(
                self.game, real, self.batches.progress(step, count), autocast=autocast_type(training.precision)
            )
