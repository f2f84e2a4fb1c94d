"""The tracker that writes to an MLflow run; training neither waits for MLflow nor fails with it."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from papergan.errors import Interrupted, PaperganError
from papergan.evaluation.scorecard import ScoreCard
from papergan.reporting.image_grid import ImageGrid, encode_png
from papergan.tracking.metric_names import with_sections
from papergan.tracking.model_registry import log_generator
from papergan.tracking.run_content import protocol_parameters, summary_metrics
from papergan.tracking.system_metrics import Monitor
from papergan.tracking.tracker import Tracker
from papergan.tracking.waiting_calls import WaitingCalls

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

logger = logging.getLogger(__name__)

Status = Literal["FINISHED", "FAILED", "KILLED"]
Begin = Callable[[str, Mapping[str, str], float | None], "tuple[MlflowTracker, Callable[[], None]]"]
FLUSH_SECONDS = 5.0  # between two writes: a write takes as long as many steps on a GPU
BATCH = 1000  # values that MLflow accepts at once
MAX_PARAMETER = 6000
NEWEST_SAMPLES = "samples.png"


class MlflowTracker(Tracker):
    """Writes to one existing MLflow run.

    If MLflow fails, one warning is logged, training continues, and MLflow is not called during a pause, which doubles
    each time. Numbers, parameters, tags, texts and files are kept until MLflow has accepted them, and sent a last time
    at the end; at most three times if MLflow is reachable but rejects them, which delays nothing else. Pictures of
    samples are not kept, and trials of a study that begin during a pause have no run.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        begin: Begin | None = None,
        check: Callable[[], None] = lambda: None,
        *,
        experiment_id: str = "0",
    ) -> None:
        """begin: starts a nested run, by name, tags and time. check: raises quickly if MLflow would fail slowly."""
        self.client, self.run_id, self._begin = client, run_id, begin
        self.experiment_id = experiment_id
        self._monitor: Monitor | None = None
        self.discarded = False
        self.has_content = False  # numbers or trials, for which a failed run is kept
        self.status: Status | None = None
        self._numbers: list[Metric] = []  # not in a call yet
        self._calls = WaitingCalls(check)
        self._next_write = 0.0

    def report(self, row: Mapping[str, float]) -> None:
        """Log every number of the row at `row["step"]`, under MLflow's names; written within seconds, not at once."""
        self.has_content = True
        self._numbers += self._metrics(row)
        if time.monotonic() >= self._next_write:
            self._catch_up()

    def replay(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Like `report`, for many rows; the tag `resumed_from_step` is their last step."""
        self.has_content = True
        last = 0
        for row in rows:
            self._numbers += self._metrics(row)
            last = max(last, int(row["step"]))
        self.tags({"resumed_from_step": str(last)})
        self._catch_up()

    def picture(self, grid: ImageGrid, step: int) -> None:
        """Log a PNG with its caption: under samples/, and as samples.png at the root, which MLflow compares."""
        with tempfile.TemporaryDirectory() as folder:
            path, newest = Path(folder) / f"step-{step:09d}.png", Path(folder) / NEWEST_SAMPLES
            for file in (path, newest):
                file.write_bytes(encode_png(grid.picture(scale=2), {"Description": grid.caption}))
            take, run_id = self.client.log_artifact, self.run_id
            if self._calls.may_try and self._calls.make_now(lambda: take(run_id, str(path), "samples")):
                self._calls.make_now(lambda: take(run_id, str(newest)))

    def text(self, name: str, text: str) -> None:
        """Log a text file, for content that is too long for a parameter."""
        self._enqueue(lambda: self.client.log_text(self.run_id, text, name), order=f"text {name}")

    def artifact(self, path: Path, folder: str) -> None:
        """Log a file, or all files of a folder, into a folder of the run; "" is its root."""
        take = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self._enqueue(lambda: take(self.run_id, str(path), folder or None))

    def dataset(self, name: str, digest: str, about: Mapping[str, object]) -> None:
        """Log a data set as a run input, for MLflow's column of data sets. digest: at most 36 characters are kept."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        entry = Dataset(
            name=name, digest=digest[:36], source_type="papergan", source=json.dumps({"name": name, "digest": digest}),
            profile=json.dumps(dict(about)),
        )  # fmt: skip
        inputs = [DatasetInput(entry, [InputTag("mlflow.data.context", "training")])]
        self._enqueue(lambda: self.client.log_inputs(self.run_id, inputs))

    def generator(self, folder: Path, name: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log a model folder as a model of the run, registered under `name`; see `log_generator`."""
        self._enqueue(lambda: log_generator(self.client, self.run_id, folder, name=name, metrics=metrics, tags=tags))

    def parameters(self, values: Mapping[str, object]) -> None:
        """Log parameters, once per run; long values are cut to MLflow's limit."""
        from mlflow.entities import Param

        params = [Param(name, str(value)[:MAX_PARAMETER]) for name, value in values.items()]
        self._enqueue(lambda: self.client.log_batch(self.run_id, params=params))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set or replace tags."""
        from mlflow.entities import RunTag

        tags = [RunTag(name, value) for name, value in values.items()]
        self._enqueue(lambda: self.client.log_batch(self.run_id, tags=tags), order="tags")

    def scores(self, card: ScoreCard) -> None:
        """Log metrics `summary/*` at the last step, parameters `protocol.*`, and the tag `pruned` if it was."""
        self.report(summary_metrics(card))
        self.parameters(protocol_parameters(card))
        if card.pruned is not None:
            self.tags({"pruned": card.pruned})

    @contextmanager
    def nested(
        self, name: str, parameters: Mapping[str, object], tags: Mapping[str, str], *, began: float | None = None
    ) -> Iterator[Tracker]:
        """The tracker of a nested run, which ends with the block and gets its status."""
        begun = self._nest(name, tags, began)
        if begun is None:
            yield Tracker()
            return
        run, release = begun
        run.parameters(parameters)
        try:
            yield run
        except BaseException as error:
            run.fail(error)
            raise
        else:
            run.finish("FINISHED")
        finally:
            self.has_content |= not run.discarded
            release()

    def _nest(
        self, name: str, tags: Mapping[str, str], began: float | None
    ) -> tuple[MlflowTracker, Callable[[], None]] | None:
        found: list[tuple[MlflowTracker, Callable[[], None]]] = []
        if self._begin is not None and self._calls.may_try:
            begin = self._begin
            self._calls.make_now(lambda: found.append(begin(name, tags, began)))
        return found[0] if found else None

    def start_system_metrics(self, every_seconds: float) -> None:
        """Log MLflow's system metrics from now to the end of the run."""

        def start() -> None:
            self._monitor = Monitor(self.client.tracking_uri, self.run_id, every_seconds)

        self._enqueue(start)

    def fail(self, error: BaseException) -> None:
        """End the run as KILLED if it was interrupted, else as FAILED.

        A run without content is deleted if the user can fix the error, such as missing data.
        """
        interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
        self.discarded = isinstance(error, PaperganError) and not interrupted and not self.has_content
        self.finish("KILLED" if interrupted else "FAILED")
        if self.discarded and not self._calls.unreachable:
            self._calls.make_now(lambda: self.client.delete_run(self.run_id))

    def finish(self, status: Status) -> None:
        """Write all pending data, then end the run. Only the first call counts."""
        if self.status is not None:
            return
        if self._monitor is not None:
            self._monitor.stop()
        self.status = status
        self._catch_up(last=True)
        if not self._calls.unreachable:
            self._calls.make_now(lambda: self.client.set_terminated(self.run_id, status))
        numbers, others = self._calls.not_taken
        if numbers or others:
            lost = f"{numbers} numbers and {others} other things"
            logger.info("MLflow never took %s of this run; history.csv and the outputs have them", lost)

    def _metrics(self, row: Mapping[str, float]) -> list[Metric]:
        from mlflow.entities import Metric

        now, step = time.time_ns() // 1_000_000, int(row.get("step", 0))
        numbers = {name: float(value) for name, value in with_sections(row).items() if math.isfinite(value)}
        return [Metric(name, value, now, step) for name, value in numbers.items()]

    def _enqueue(self, call: Callable[[], object], *, order: str = "") -> None:
        self._calls.add(call, order=order)
        self._catch_up()

    def _catch_up(self, *, last: bool = False) -> None:
        """Write the numbers that are not in a call yet, and all waiting calls."""
        if not (last or self._calls.may_try):
            return
        self._next_write = time.monotonic() + FLUSH_SECONDS
        for start in range(0, len(self._numbers), BATCH):
            some = self._numbers[start : start + BATCH]
            write = partial(self.client.log_batch, self.run_id, metrics=some)
            self._calls.add(write, numbers=len(some))
        self._numbers = []
        self._calls.make(last=last)
