"""One cell from images to scores, by the verbs of an experiment."""

from __future__ import annotations

import logging
from functools import cache

from papergan.config.checked import Experiment
from papergan.config.study import Cell, CellResult
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.data.preparation import prepare
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.trial_results import CellStore
from papergan.pipelines.experiment.nodes import evaluation, export, figures, model, references, training
from papergan.tracking import Tracker
from papergan.tracking.run_content import parameters_of

log = logging.getLogger(__name__)


class Player:
    """Plays cells, each once: one whose result is kept is not played again, one that was interrupted goes on."""

    def __init__(self, library: ImageLibrary, feature_cache: FeatureCache, store: CellStore, tracker: Tracker) -> None:
        self.library, self.feature_cache, self.store, self.tracker = library, feature_cache, store, tracker
        self._images = cache(self._prepared)

    def play(self, cell: Cell) -> CellResult:
        """The cell's result, with an MLflow run of its own inside the study's where it is played now.

        A cell that diverges has that for a result. Raises Interrupted after a stop signal.
        """
        known = self.store.find(cell.key)
        if known is not None:
            return known
        name = f"{cell.name}/seed {cell.recipe.seed}"
        tags = {"grid": cell.grid, **cell.levels, "dataset": cell.recipe.dataset, "recipe": cell.recipe.fingerprint}
        with self.tracker.nested(name, parameters_of(cell.recipe), tags) as tracker:
            result = self._play(Experiment(cell.name, cell.recipe), tracker)
            tracker.scores(result.card)
        self.store.keep(cell.key, result)
        store = self.store.checkpoints.open(cell.recipe.fingerprint, cell.recipe.training.keep_checkpoints)
        with store.locked():
            store.clear()
        return result

    def subset_of(self, cell: Cell) -> tuple[str, list[int]] | None:
        """The name of the cell's training images, and which of the data set's they are; None where it has all."""
        recipe = cell.recipe
        if recipe.train_limit is None:
            return None
        train = self._images(recipe.dataset, recipe.image_size, recipe.train_limit, recipe.subset_seed).train
        return None if train.origin is None else (train.name, train.origin.tolist())

    def _play(self, experiment: Experiment, tracker: Tracker) -> CellResult:
        recipe = experiment.recipe
        images = self._images(recipe.dataset, recipe.image_size, recipe.train_limit, recipe.subset_seed)
        classifier = references.train_domain_classifier(experiment, images, self.library, self.feature_cache)
        reference = references.build_reference(experiment, images, classifier, self.feature_cache)
        real_rows = references.score_real_images(experiment, images, reference, self.feature_cache)
        initial, _ = model.build_model(experiment, images)
        history, snapshots, _, trained = training.train(
            experiment, images, initial, classifier, reference, self.store.checkpoints, tracker
        )
        generator = export.swap_in_average(experiment, trained)
        card = evaluation.evaluate(experiment, images, classifier, reference, real_rows, trained, generator, snapshots)
        if card.diverged is not None:
            return CellResult(card, history)
        near = figures.draw_neighbours(experiment, images, classifier, reference, generator)
        neighbours = near.images.reshape(-1, near.columns or 1, *near.images.shape[1:])
        return CellResult(card, history, export.sample(experiment, generator).images, neighbours)

    def _prepared(self, name: str, size: int | None, limit: int | None, subset_seed: int | None) -> ImageSplits:
        return prepare(self.library.load(name), size=size, limit=limit, subset_seed=subset_seed)
