"""Images of a recipe, counted once they are there."""

from __future__ import annotations

import pytest

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.errors import EvaluationError
from papergan.pipelines.experiment.nodes.ingestion import ingest, normalise
from pipelines.test_experiment import GIVEN, shapes


def test_generated_images_that_leave_too_few_places_are_refused_before_training(tmp_path):
    """The images of some classes are not counted before."""
    library = shapes(tmp_path)
    given = {
        **GIVEN, "overrides": {"width": 4, "latent_dim": 4, "labels": "maps"},
        "evaluation": {**GIVEN["evaluation"], "nas_samples": 1},
    }  # fmt: skip
    names = library.load(GIVEN["dataset"]).train.classes[:2]
    experiment = Experiment("mine", Recipe.parse("mine", given | {"classes": names}))
    images = ingest(library, experiment)
    with pytest.raises(EvaluationError, match=r"^mine\.evaluation: nas_samples: 1 generated images"):
        normalise(images, experiment, library)
