"""Settings of the reproductions: which experiments are run over which seeds for the table of published numbers."""

from __future__ import annotations

from papergan.config.papers import PaperKey
from papergan.config.study import Names
from papergan.config.workers import WorkerSettings
from papergan.validation import Seeds, StrictModel

ANCHORS = ("training images", "k-means")  # of `parzen_anchors`


class ReproductionsRecipe(StrictModel):
    """The reproductions. paper: whose anchors are measured, and under which the run is logged.

    experiments: those that are trained, each over all `seeds`. finished_only: nothing is trained; the table is of what
    is there. workers: where trials are trained.
    """

    paper: PaperKey
    description: str = ""
    experiments: Names
    seeds: Seeds = (0, 1, 2)
    finished_only: bool = False
    workers: WorkerSettings = WorkerSettings()
