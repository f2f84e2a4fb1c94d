"""The MLflow store: begins runs, locks them, and marks runs of killed processes as KILLED."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from papergan import file_locks
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.database import PREFIX, check_database, suppressed_mlflow_logs
from papergan.tracking.interface import RunGroup, run_group, table_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from papergan.tracking.mlflow_tracker import MlflowTracker

logger = logging.getLogger(__name__)

PAGE = 1000  # runs that a search returns at once


class MlflowStore:
    """The store of mlflow.yml. Nothing is created or imported before the first run begins."""

    def __init__(self, configuration: MlflowConfiguration) -> None:
        self.configuration = configuration
        self.run_locks = RunLocks(Path(configuration.artifacts).parent / "running")

    def begin(
        self,
        paper: str,
        experiment: str,
        tags: Mapping[str, str],
        resume_tag: str | None = None,
        *,
        name: str | None = None,
    ) -> MlflowTracker:
        """Begin a run in the MLflow experiment of its paper. paper: a citation key or arXiv identifier.

        resume_tag: a tag; the newest run with the same value is resumed, if there is one. name: of the run; None = that
        of the experiment. Raises what MLflow raises, within seconds if the database cannot be written.
        """
        group = run_group(paper, self.configuration.environment, self.configuration.experiment_prefix)
        # Two processes that begin at the same time would both create the database.
        with suppressed_mlflow_logs(), self.run_locks.exclusive():
            client = self._client()
            experiment_id = self._experiment_id(client, group)
            before = client.get_experiment_by_name(group.earlier)
            known_ids = [experiment_id, *([] if before is None else [str(before.experiment_id)])]
            self._mark_killed(client, known_ids, experiment)
            about = {"papergan.experiment": experiment, "host": socket.gethostname(), "locks": self._place, **tags}
            earlier = self._earlier(client, known_ids, experiment, resume_tag, tags)
            run = earlier or client.create_run(experiment_id, run_name=name or experiment, tags=about)
            run_id, experiment_id = str(run.info.run_id), str(run.info.experiment_id)
            self.run_locks.acquire(run_id)
        from papergan.tracking.mlflow_tracker import MlflowTracker  # here, because it needs torch

        def begin_nested(
            name: str, more: Mapping[str, str], began: float | None
        ) -> tuple[MlflowTracker, Callable[[], None]]:
            nested_tags = {**about, "mlflow.parentRunId": run_id, **more}
            start = None if began is None else int(1000 * began)
            created = client.create_run(experiment_id, start_time=start, run_name=name, tags=nested_tags)
            nested_run_id: str = created.info.run_id
            self.run_locks.acquire(nested_run_id)
            nested = MlflowTracker(client, nested_run_id, check=check, experiment_id=experiment_id)
            return nested, partial(self.run_locks.release, nested_run_id)

        check = partial(check_database, self.configuration.tracking_uri)
        tracker = MlflowTracker(client, run_id, begin_nested, check, experiment_id=experiment_id)
        tracker.has_content = earlier is not None
        return tracker

    @property
    def _place(self) -> str:
        """The folder of the locks, a tag of runs: other workspaces of the server cannot see whether a run lives."""
        return str(self.run_locks.folder.resolve())

    def _is_of_this_workspace(self, run: Run) -> bool:
        """Whether the run began in this workspace; runs of earlier versions do not say."""
        return bool(run.data.tags.get("locks", self._place) == self._place)

    def _client(self) -> MlflowClient:
        # An unreachable server must not delay an experiment by the minutes that MLflow would wait by default.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient

        uri = self.configuration.tracking_uri
        if uri.startswith(PREFIX):
            Path(uri.removeprefix(PREFIX)).parent.mkdir(parents=True, exist_ok=True)
        check_database(uri, new=True)
        return MlflowClient(tracking_uri=uri)

    def _experiment_id(self, client: MlflowClient, group: RunGroup) -> str:
        key, view = table_view()
        known = client.get_experiment_by_name(group.name)
        if known is None:
            folder = f"{Path(self.configuration.artifacts).as_uri()}/{group.folder}"
            location = None if self.configuration.is_server else folder
            return _new_experiment(client, group.name, location, {"mlflow.note.content": group.description, key: view})
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        if known.tags.get(key) != view:  # from an earlier version; a description may be the user's own
            client.set_experiment_tag(known.experiment_id, key, view)
        return str(known.experiment_id)

    def _earlier(
        self,
        client: MlflowClient,
        experiment_ids: list[str],
        experiment: str,
        resume_tag: str | None,
        tags: Mapping[str, str],
    ) -> Run | None:
        if resume_tag is None:
            return None
        wanted = f"tags.`papergan.experiment` = '{experiment}' and tags.`{resume_tag}` = '{tags[resume_tag]}'"
        runs = _found(client, experiment_ids, wanted, ["attributes.start_time DESC"])
        ours = (one for one in runs if "mlflow.parentRunId" not in one.data.tags and self._is_of_this_workspace(one))
        run = next(ours, None)
        if run is None or self.run_locks.is_running(run.info.run_id):
            return None
        client.update_run(run.info.run_id, status="RUNNING")
        return run

    def _mark_killed(self, client: MlflowClient, experiment_ids: list[str], experiment: str) -> None:
        """Mark RUNNING runs of this experiment, machine and workspace whose lock is free as KILLED."""
        wanted = f"attributes.status = 'RUNNING' and tags.`papergan.experiment` = '{experiment}'"
        for run in list(_found(client, experiment_ids, wanted)):  # collected first, since marking changes the pages
            here = run.data.tags.get("host") == socket.gethostname() and self._is_of_this_workspace(run)
            if here and not self.run_locks.is_running(run.info.run_id):
                client.set_terminated(run.info.run_id, "KILLED")
                logger.info("MLflow run %s was killed earlier; it is marked so now", run.info.run_id)


def _found(
    client: MlflowClient, experiment_ids: list[str], wanted: str, order: list[str] | None = None
) -> Iterator[Run]:
    """The runs of a search, from all its pages."""
    token = None
    while token != "":
        page = client.search_runs(experiment_ids, wanted, max_results=PAGE, order_by=order, page_token=token)
        yield from page
        token = page.token or ""


def _new_experiment(client: MlflowClient, name: str, location: str | None, tags: dict[str, str]) -> str:
    """The id of a new experiment, or of the one that another process has created in the meantime."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    except MlflowException as error:
        known = client.get_experiment_by_name(name) if error.error_code == "RESOURCE_ALREADY_EXISTS" else None
        if known is None:
            raise
        return str(known.experiment_id)


class RunLocks:
    """Locks by run id in one folder. An unfinished run of this machine whose lock is free was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, IO[str]] = {}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes of this machine out of such blocks meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with file_locks.take(self.folder / "turn", wait=True):
            yield

    def acquire(self, run_id: str) -> None:
        """Hold the lock of a run until `release` or the end of the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._held[run_id] = file_locks.take(self._path(run_id))

    def release(self, run_id: str) -> None:
        """Release the lock of a run, if it is held."""
        file = self._held.pop(run_id, None)
        if file is not None:
            self._path(run_id).unlink(missing_ok=True)
            file.close()

    def is_running(self, run_id: str) -> bool:
        """Whether a process holds the lock of a run. The file of a free lock is deleted."""
        try:
            if file_locks.is_held(self._path(run_id)):
                return True
        except FileNotFoundError:
            return False
        self._path(run_id).unlink(missing_ok=True)
        return False

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.lock"
