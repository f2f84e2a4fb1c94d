"""The recipe of an experiment: system, data set, training budget, evaluation; a strict model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from papergan import systems
from papergan.config.evaluation import EvaluationSettings
from papergan.config.papers import PaperKey
from papergan.config.training import TrainingRecipe
from papergan.data.own_declaration import OwnImagesSettings, dataset_name, is_path
from papergan.data.translation import ClassNames, InputSettings, Masked
from papergan.errors import RecipeError
from papergan.validation import (
    Positive,
    Seed,
    Size,
    StrictModel,
    flattened,
    short_digest,
    validation_errors,
)  # fmt: skip


class FineTuning(StrictModel):
    """The trained model that training starts from, instead of weights from the seed.

    model: an experiment that was trained here, with the same system and discriminator; where this generator is
    narrower, it gets the channels with the largest filters. prune_weights: share of the generator's weights, the
    smallest, that are set to zero and stay zero; from 0, below 1.
    """

    model: Annotated[str, Field(min_length=1)]
    prune_weights: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class Recipe(StrictModel):
    """An experiment: a system with its settings, a data set, a training budget, and an evaluation.

    paper: citation key or arXiv identifier. description: one line for display. image_size and train_limit: None leaves
    the data set as it is. subset_seed: seed for drawing the train_limit images; None = the first ones. validation:
    number of last training images, see `without_the_last`, held out to choose settings of a metric; None = none.
    overrides: arguments of the system's `build` that differ from its defaults. classes: train on images of these
    classes only. input: what the generator translates to these images, for systems that translate. dataset: a name in
    the catalog, or the path of your own images: a folder, a zip or parquet file, "hf://datasets/ORGANISATION/NAME";
    images: how those are used. teacher: for the setting `distillation`, the experiment whose trained generator is
    imitated, or any model that `papergan.load` takes. fine_tuning: start from the networks of a trained model.
    """

    paper: PaperKey
    description: str = ""
    system: str
    dataset: Annotated[str, Field(min_length=1)]
    images: OwnImagesSettings | None = None
    classes: ClassNames | None = None
    input: InputSettings | None = None
    image_size: Annotated[Size, Field(ge=8)] | None = None
    train_limit: Positive | None = None
    subset_seed: Annotated[Seed, Field(ge=0)] | None = None
    validation: Positive | None = None
    seed: Seed = 0
    overrides: dict[str, Any] = Field(default_factory=dict)
    teacher: Annotated[str, Field(min_length=1)] | None = None
    fine_tuning: FineTuning | None = None
    training: TrainingRecipe
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _settings_fit(self) -> Recipe:
        self.settings()
        return self

    def settings(self) -> dict[str, Any]:
        """Every argument of the system, defaults included. Raises RecipeError where an override does not fit."""
        return systems.resolve(self.system, self.overrides)

    @model_validator(mode="after")
    def _input_fits(self) -> Recipe:
        if (self.input is not None) != ("translates" in systems.traits(self.system)):
            if self.input is None:
                raise ValueError(f"system {self.system!r} translates images: give input, for example {INPUT_EXAMPLE}")
            raise ValueError(f"system {self.system!r} makes images from latents: leave input out")
        if self.input is not None and self.training.devices > 1:
            raise ValueError("a system that translates images is trained on one device: leave training.devices out")
        return self

    @model_validator(mode="after")
    def _models_fit(self) -> Recipe:
        taught = self.settings().get(systems.DISTILLATION) is not None
        if taught != (self.teacher is not None):
            raise ValueError(
                "distillation needs a trained generator to learn from: give teacher, the name of an experiment"
                if taught
                else "a teacher teaches nothing here: give overrides.distillation, for example {pixels: 1.0}"
            )  # fmt: skip
        if self.input is not None and (taught or self.fine_tuning is not None):
            raise ValueError("teacher and fine_tuning are for generators that are given latents")
        if self.training.devices > 1 and (taught or self.fine_tuning is not None):
            raise ValueError("teacher and fine_tuning train on one device: leave training.devices out")
        return self

    @model_validator(mode="after")
    def _hole_fits(self) -> Recipe:
        seen = self.settings().get("hole")
        if isinstance(self.input, Masked) and seen is not None and seen < self.input.hole:
            raise ValueError(
                f"overrides.hole: the local discriminator sees {seen} pixels, and input.hole is {self.input.hole}; set "
                f"overrides.hole to {self.input.hole}, or to more for what is around the hole"
            )
        return self

    @model_validator(mode="after")
    def _enough_validation_images(self) -> Recipe:
        if self.input is not None and self.evaluation.parzen_samples:
            raise ValueError("evaluation.parzen_samples is for generators that are given latents: leave it out")
        if self.evaluation.parzen_validation > (self.validation or 0):
            wanted, there = self.evaluation.parzen_validation, self.validation or 0
            raise ValueError(f"evaluation.parzen_validation wants {wanted} images of validation, which has {there}")
        return self

    @model_validator(mode="after")
    def _generated_images_have_classes(self) -> Recipe:
        if self.evaluation.nas_samples and not systems.is_conditional(self.system, self.overrides):
            raise ValueError(
                f"evaluation.nas_samples: a classifier learns from images with classes, and system {self.system!r} is "
                "asked for none here: set it to 0, or take a conditional system"
            )
        return self

    @model_validator(mode="after")
    def _a_subset_is_drawn(self) -> Recipe:
        if self.subset_seed is not None and self.train_limit is None:
            raise ValueError("subset_seed says how train_limit images are drawn; give train_limit as well")
        return self

    def training_images(self, published: int | None) -> int | None:
        """How many of the `published` images of the training split are trained on; None where it is not known yet."""
        known = published is not None and self.classes is None
        left = published - (self.validation or 0) if known and published is not None else None
        return min((each for each in (left, self.train_limit) if each is not None), default=None)

    @property
    def fingerprint(self) -> str:
        """A digest, 12 hexadecimal digits, of all settings that determine the weights after n steps.

        Not included: the budget, cadences, evaluation and the device, so that a run can be extended or evaluated
        more often without starting over.
        """
        return short_digest(self._identity() | {"seed": self.seed})

    @property
    def parameters(self) -> dict[str, object]:
        """The recipe flattened, with every setting of the system in place of its overrides, so that runs line up."""
        tree = self.model_dump(exclude={"overrides"}) | {"settings": self.settings()}
        return dict(flattened("", tree))

    @property
    def dataset_name(self) -> str:
        """The data set's name in tables and captions; for a path, its last part."""
        return dataset_name(self.dataset)

    @property
    def variant(self) -> str:
        """Like `fingerprint`, without the seed: runs of one variant and budget differ only in their seed."""
        return short_digest(self._identity())

    def _identity(self) -> dict[str, Any]:
        decisive = {"batch_size", "drop_last", "horizontal_flip", "precision", "deterministic"}
        decisive |= {"batch_sizes"} if self.training.batch_sizes else set()
        training = self.training.model_dump(include=decisive)
        subset: list[object] = [] if self.subset_seed is None else [self.subset_seed]
        subset += [] if self.images is None else [self.images.model_dump()]
        subset += [] if self.classes is None else [f"classes {', '.join(self.classes)}"]
        subset += [] if self.input is None else [absolute_input(self.input)]
        subset += [] if self.validation is None else [f"without the last {self.validation}"]
        subset += [] if self.teacher is None else [f"teacher {self.teacher}"]
        subset += [] if self.fine_tuning is None else [self.fine_tuning.model_dump()]
        return {
            "system": self.system,
            "settings": self.settings(),
            "dataset": [absolute_dataset(self.dataset), self.image_size, self.train_limit, *subset],
            "training": training,
        }

    @classmethod
    def parse(cls, name: str, given: Any) -> Self:
        """A recipe from configuration. Raises RecipeError with every error on one line, those of its settings too."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            errors = validation_errors(name, error)
            if any(detail["loc"] or detail["type"] == "unknown_key" for detail in error.errors()):
                # then the settings have not been validated yet
                errors += _settings_errors(name, given)
            raise RecipeError("; ".join(errors)) from None


INPUT_EXAMPLE = "{kind: downsampled, factor: 4}"


def absolute_dataset(dataset: str) -> str:
    """The data set, a path made absolute, so that a recipe does not depend on the working directory."""
    return str(Path(dataset).expanduser().absolute()) if is_path(dataset) and "://" not in dataset else dataset


def absolute_input(settings: InputSettings) -> dict[str, object]:
    """The settings of the input as plain values, a path made absolute likewise."""
    given: dict[str, object] = settings.model_dump()
    return given | ({"dataset": absolute_dataset(str(given["dataset"]))} if "dataset" in given else {})


def _settings_errors(name: str, given: Any) -> list[str]:
    """Errors in the system's settings of a recipe that has other errors too, so that all are reported together."""
    system, overrides = (
        (given.get(key) for key in ("system", "overrides")) if isinstance(given, Mapping) else (None, None)
    )
    if not isinstance(system, str) or not isinstance(overrides or {}, Mapping):
        return []
    try:
        systems.resolve(system, overrides or {})
    except RecipeError as error:
        return [f"{name}: {error}"]
    return []
