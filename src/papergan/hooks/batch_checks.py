"""Checks of batches before a run: packs and mixtures that divide them, and batches of one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from papergan.config.training import TrainingRecipe
from papergan.data.images import ImageSpec
from papergan.errors import PaperganError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.objectives.fixed_features import with_stand_ins
from papergan.objectives.mixture import Members, MixturePayoff
from papergan.randomness import own_random_state


def find_packing_errors(name: str, training: TrainingRecipe, count: int, left: int) -> Iterator[str]:
    """Errors where a device's share of a batch cannot be divided into packs. left: images of an epoch's last batch."""
    where = f"{name}.training.batch_size"
    odd = [size for size in training.sizes.all if size // training.devices % count]
    for size in odd:
        fits = max(1, size // training.devices // count) * count * training.devices
        of = f"{size} images" + (f" on {training.devices} devices" if training.devices > 1 else "")
        yield f"{where}: {of} cannot be divided into packs of {count}: set a multiple, for example {fits}"
    if not odd and not training.drop_last and left // training.devices % count:
        yield (
            f"{where}: the last batch of an epoch, {left} images, cannot be divided into packs of {count}: set "
            "training.drop_last=true, or another batch_size"
        )


def find_mixture_errors(name: str, training: TrainingRecipe, game: Game) -> Iterator[str]:
    """Errors where a mixture's generators have different numbers of a batch's rows on different devices."""
    terms = (term for turn in game.turns for term in turn.objective)
    if training.devices == 1 or not any(isinstance(term, MixturePayoff) for term in terms):
        return
    generators = game.networks[game.showcase.generator]
    assert isinstance(generators, Members)
    every = len(generators) * training.devices
    for size in training.sizes.all:
        if size % every:
            yield (
                f"{name}.training.batch_size: {size} images on {training.devices} devices cannot be divided among "
                f"{len(generators)} generators: set a multiple of {every}"
            )


def find_single_image_errors(
    where: str, training: TrainingRecipe, game: Game, images: ImageSpec, available: int | None
) -> Iterator[str]:
    """Errors of a training step on a batch of one image, where training meets such a batch."""
    if 1 in training.sizes.all:
        which, advice = "a batch", "set another batch_size"
    elif not training.drop_last and available is not None and available % training.batch_size == 1:
        which, advice = "the last batch of an epoch", "set another batch_size, or training.drop_last=true"
        count, each = available // training.batch_size + 1, game.batches_per_step
        if training.total_steps(batches_per_epoch=count, batches_per_step=each) * each < count:
            return  # training ends before it
    else:
        return
    for error in collect_error(where, lambda: _run_single_image_step(game, images)):
        yield f"{error}, and {which} is one image here: {advice}"


def _run_single_image_step(game: Game, images: ImageSpec) -> None:
    """Run a training step on one image, for which batch statistics and pairs are not defined."""
    with own_random_state(game.device):
        training_step(with_stand_ins(game), [images.random_batch(1)] * game.batches_per_step, Progress())


def collect_error(where: str, attempt: Callable[[], object]) -> Iterator[str]:
    """The error that `attempt` raises, as one line. where: the place in the recipe."""
    try:
        attempt()
    except (PaperganError, ValueError) as error:
        yield f"{where}: {error}"
