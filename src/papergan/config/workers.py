"""Settings of where a study trains its trials: in the command's process, in separate processes, or on Ray."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.validation import StrictModel


class WorkerSettings(StrictModel):
    """Where trials are trained. jobs: how many at once; None = one here, and as many as fit on Ray.

    ray: the address of a Ray cluster, "auto" for the one on this machine, or "HOST:PORT"; None = this machine alone.
    cpus, gpus: per trial, on Ray; fractions share one. attempts: for a trial that fails or whose worker dies.
    """

    jobs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    ray: Annotated[str, Field(pattern=r"^(auto|[\w.\-]+:\d{1,5})$")] | None = None
    cpus: Annotated[float, Field(gt=0.0, le=1024.0)] = 1.0
    gpus: Annotated[float, Field(ge=0.0, le=64.0)] = 0.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 3

    @property
    def none(self) -> bool:
        """Whether trials are trained one after another in the process of the command."""
        return self.ray is None and self.jobs in (None, 1)
