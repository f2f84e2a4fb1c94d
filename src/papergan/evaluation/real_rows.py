"""Real images scored like samples: the rows of a table that say what its scale means."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict
from torch import device

from papergan.data.images import ImageSet
from papergan.evaluation.evaluate import score_features
from papergan.evaluation.pixel_scores import kept_for, score_pixels
from papergan.evaluation.protocol import Protocol, Rules
from papergan.evaluation.reference import References, drawn


class RealRow(BaseModel):
    """Scores of real images in place of samples.

    name: "real test set", what an honest generator could reach; "train copies", what a photocopier does reach.
    dataset: of the images. protocols, metrics: as in a score card; the number of samples is that of the images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    dataset: str
    protocols: tuple[Protocol, ...]
    metrics: dict[str, float]


def real_rows(
    real: ImageSet,
    held_out: ImageSet | None,
    references: References,
    rules: Rules,
    where: device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
) -> tuple[RealRow, ...]:
    """The images that are held out, if any, and copies of the reference, as many of each as a model is scored by.

    Where there are fewer images than `rules.num_samples`, all there are; the protocols then say so, and these rows
    stand in columns of their own.
    """
    split = rules.reference_split
    other = {"train": "real test set", "test": "real training set"}[split]
    rows = []
    for name, images in ((other, held_out), (f"{split} copies", real)):
        if images is None:
            continue
        mine = rules.within(min(rules.num_samples, len(images)), len(real))
        metrics: dict[str, float] = {}
        for reference in references.values():
            sight = reference.real if images is real else reference.held_out
            if sight is not None:
                metrics |= score_features(sight.some(mine.num_samples), reference, mine, where, should_stop)
        pixels = images.images[drawn(len(images), mine.num_samples)]
        metrics |= score_pixels(
            pixels[: kept_for(mine)], real.images, None if held_out is None else held_out.images, mine, where
        )
        protocols = tuple(reference.protocol(mine) for reference in references.values())
        rows.append(RealRow(name=name, dataset=images.name, protocols=protocols, metrics=metrics))
    return tuple(rows)
