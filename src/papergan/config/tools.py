"""Settings of the comparison, of the reproductions, and of `kedro clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from papergan.config.grid import Names
from papergan.config.papers import PaperKey
from papergan.config.workers import WorkerSettings
from papergan.validation import MAX_COUNT, Positive, Seeds, StrictModel

if TYPE_CHECKING:
    from papergan.evaluation.scorecard import ScoreCard

ANCHORS = ("training images", "k-means")  # of `parzen_anchors`


class ComparisonSettings(StrictModel):
    """Settings of the comparison: which runs the table lists, by default all.

    leave_out: names of experiments, or first digits of recipes as in the column `recipe`. newest_only: list only the
    most recently scored run of each experiment and data set.
    """

    leave_out: Annotated[tuple[Annotated[str, Field(min_length=4)], ...], Field(strict=False)] = ()
    newest_only: bool = False

    def leaves_out(self, card: ScoreCard) -> bool:
        """Whether `leave_out` names this card's experiment or recipe."""
        return any(name == card.experiment or card.variant.startswith(name) for name in self.leave_out)


class ReproductionsRecipe(StrictModel):
    """Settings of the reproductions. paper: whose anchors are measured, and under which the run is logged.

    experiments: those that are trained, each over all `seeds`. finished_only: train nothing, and tabulate what is
    there. workers: where trials are trained.
    """

    paper: PaperKey
    description: str = ""
    experiments: Names
    seeds: Seeds = (0, 1, 2)
    finished_only: bool = False
    workers: WorkerSettings = WorkerSettings()


class RetentionRecipe(StrictModel):
    """Settings of `kedro clean`: what it keeps besides all that the comparison, a pointer or a resumed run needs.

    versions: number of newest versions of every versioned output. pictures: sample grids that MLflow keeps of a run,
    the first and the last among them. checkpoints: of all runs, or of unfinished ones only.
    """

    versions: Positive = 3
    pictures: Annotated[int, Field(ge=2, le=MAX_COUNT)] = 50
    checkpoints: Literal["all", "unfinished"] = "all"
