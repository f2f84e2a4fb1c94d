"""Settings of training: a budget, batch sizes, precision, devices; a strict model, part of a recipe."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from papergan.training.batch_plan import BatchSizes
from papergan.training.history import ReportAs
from papergan.training.numerics import Device, Precision
from papergan.validation import Amount, BatchSize, Positive, Repeats, StrictModel


class TrainingRecipe(StrictModel):
    """Settings of training: budget, batch size, precision, device. Exactly one of epochs, steps and images.

    images: total number of real images shown to the discriminator, so that systems with several discriminator steps
    per generator step can be given the same budget. batch_sizes: later batch sizes, by the number of real images from
    which each applies, for example for networks that grow: {24000: 32, 72000: 16}.
    """

    epochs: Amount | None = None
    steps: Positive | None = None
    images: Annotated[int, Field(ge=1, le=10**12)] | None = None
    batch_size: BatchSize = 64
    batch_sizes: dict[Annotated[int, Field(strict=False, ge=1, le=10**12)], BatchSize] = Field(default_factory=dict)
    drop_last: bool = True  # false: the images left over at the end of an epoch make a smaller batch
    horizontal_flip: bool = False
    precision: Precision = "float32"
    deterministic: bool = False
    cuda_graphs: bool = False  # on one GPU; not yet run on one, see docs/cuda_graphs.md
    device: Device = "auto"
    devices: Repeats = 1  # processes with one device each; batch_size is that of all together
    batch_norm_batches: Repeats = 100
    report_every_steps: Positive = 50
    report_as: ReportAs = "means"  # or "step": the values of that step of the epoch alone, as scripts print them
    save_minutes: Amount = 5.0
    keep_checkpoints: Annotated[Repeats, Field(ge=2)] = 2  # one might be damaged
    resume: bool = True

    @model_validator(mode="after")
    def _one_budget(self) -> TrainingRecipe:
        given = {name: value for name in ("epochs", "steps", "images") if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            got = " and ".join(f"{name}={value}" for name, value in given.items()) or "none of them"
            raise ValueError(f"give exactly one of epochs, steps and images, got {got}")
        return self

    @model_validator(mode="after")
    def _even_shares(self) -> TrainingRecipe:
        for size in self.sizes.all:
            if size % self.devices:
                raise ValueError(f"{self.devices} devices cannot share a batch_size of {size} evenly")
        return self

    @model_validator(mode="after")
    def _sizes_change_by_images(self) -> TrainingRecipe:
        if self.batch_sizes and self.epochs is not None:
            raise ValueError("batch_sizes change by images: give the budget as images or steps too, not as epochs")
        if self.batch_sizes and not self.drop_last:
            raise ValueError("batch_sizes change by images, in full batches: leave out drop_last=false")
        return self

    @model_validator(mode="after")
    def _images_in_full_batches(self) -> TrainingRecipe:
        if self.images is not None and not self.drop_last:
            raise ValueError("images are counted in full batches: leave out drop_last=false, or give epochs or steps")
        return self

    @property
    def sizes(self) -> BatchSizes:
        """The batch size and its changes."""
        return BatchSizes(self.batch_size, self.batch_sizes)

    def total_steps(self, *, batches_per_epoch: int, batches_per_step: int) -> int:
        """The budget in iterations. An epoch is one pass of the discriminator's real batches."""
        if self.steps is not None:
            return self.steps
        if self.images is not None:
            return max(1, math.ceil(self.sizes.until(self.images) / batches_per_step))
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * batches_per_epoch / batches_per_step))
