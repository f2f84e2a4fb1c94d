"""Trials that train an experiment: from images to scores, with the nodes of an experiment's pipeline."""

from __future__ import annotations

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.config.study import ExperimentTrial, TrialResult
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache, SharedFeatureCache
from papergan.errors import CheckpointError
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines.experiment.nodes import evaluation, export, figures, ingestion, model, references, training
from papergan.pipelines.experiment.nodes.scorecard import card
from papergan.tracking import Tracker


class ExperimentTrainer:
    """Trains experiments, each from its newest checkpoint.

    A copy for another process has no images loaded, and a cache that waits for features that others are computing.
    """

    def __init__(
        self, library: ImageLibrary, feature_cache: FeatureCache, checkpoints: CheckpointFolder, models: ModelLibrary
    ) -> None:  # fmt: skip
        self.library, self.feature_cache, self.checkpoints, self.models = library, feature_cache, checkpoints, models
        self._images: dict[object, ImageSplits] = {}

    def __reduce__(self) -> tuple[type[ExperimentTrainer], tuple[object, ...]]:
        cache = SharedFeatureCache(self.feature_cache.folder, self.feature_cache.remote)
        return ExperimentTrainer, (self.library, cache, self.checkpoints, self.models)

    def __call__(self, trial: ExperimentTrial, tracker: Tracker, prune: training.Prune = training.never) -> TrialResult:
        """Train a trial and return its result, even if it diverges or is pruned.

        prune: returns the reason to end a training, given its newest evaluation; None = continue. Raises Interrupted
        after a stop signal, CheckpointError if another process runs the trial.
        """
        with self.checkpoints.open(trial.recipe.fingerprint).reserve():  # from before its images are noted
            result = self._trained(Experiment(trial.name, trial.recipe), tracker, prune)
        tracker.scores(result.card)
        return result

    def data_digest(self, trial: ExperimentTrial) -> str:
        """The digest of all data that the trial trains on: its images, and the inputs of a translation."""
        return self._of(trial.recipe).training_digest

    def check(self, trial: ExperimentTrial, found: TrialResult) -> None:
        """Raise CheckpointError if the training images or a trained model differ from those of the result."""
        recipe, card = trial.recipe, found.card
        digests = training.digests_of(training.trained_models(recipe, self.models))
        other = [part for part, digest in digests.items() if card.models.get(part) != digest]
        if card.data_digest != self.data_digest(trial):
            other.insert(0, "images")
        if other:
            raise CheckpointError(
                f"{trial.name}, seed {trial.seed}: its finished result {trial.key} is of other {' and '.join(other)} "
                "than there are now: put those back, or delete that folder of results to train it anew"
            )

    def subset_of(self, trial: ExperimentTrial) -> tuple[str, list[int]] | None:
        """Name and indices of the trial's training images; None if it trains on the whole data set."""
        recipe = trial.recipe
        if recipe.train_limit is None:
            return None
        train = self._of(recipe).train
        return None if train.origin is None else (train.name, train.origin.tolist())

    def _trained(self, experiment: Experiment, tracker: Tracker, prune: training.Prune) -> TrialResult:
        recipe = experiment.recipe
        images = self._of(recipe)
        classifier = references.train_domain_classifier(experiment, images, self.library, self.feature_cache)
        reference = references.build_reference(experiment, images, classifier, self.feature_cache)
        real_rows = references.score_real_images(experiment, images, reference, self.feature_cache)
        initial, _ = model.build_model(experiment, images, self.models)
        history, snapshots, _, trained = training.train(
            experiment, images, initial, classifier, reference, self.checkpoints, tracker, self.models, prune
        )
        if (reason := trained.metadata.get("pruned")) is not None:
            return TrialResult(card(experiment, trained.metadata, pruned=reason), history)
        generator = export.swap_in_ema(experiment, images, trained)
        scores = evaluation.evaluate(
            experiment, images, classifier, reference, real_rows, trained, generator, snapshots, self.feature_cache
        )
        if scores.diverged is not None:
            return TrialResult(scores, history)
        near = figures.draw_neighbours(experiment, images, classifier, reference, generator)
        neighbours = near.images.reshape(-1, near.columns or 1, *near.images.shape[1:])
        return TrialResult(scores, history, export.sample(experiment, images, generator).images, neighbours)

    def _of(self, recipe: Recipe) -> ImageSplits:
        """The images that a recipe trains on, with the inputs of a translation, loaded and prepared once."""
        source = recipe.dataset, recipe.image_size, recipe.images
        key = *source, recipe.train_limit, recipe.subset_seed, recipe.validation, recipe.classes, recipe.input
        if key not in self._images:
            experiment = Experiment("", recipe)
            self._images[key] = ingestion.normalise(
                ingestion.ingest(self.library, experiment), experiment, self.library
            )
        return self._images[key]
