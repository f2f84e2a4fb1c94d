"""A real MLflow server on PostgreSQL, and eight processes that write to it at once."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from helpers.project_run import EXPERIMENT, PROJECT, run_there

pytestmark = pytest.mark.slow
WRITERS, ROWS, TRIALS = 8, 200, 2

WRITER = """
import sys, torch
from papergan.reporting.image_grid import ImageGrid
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore
uri, folder, name, rows, trials = *sys.argv[1:4], *map(int, sys.argv[4:6])
store = MlflowStore(MlflowConfiguration(uri, folder))
run = store.begin("zaika2025", name, {"writer": name})
run.parameters({"writer": name})
for trial in range(trials):
    with run.nested(f"trial {trial}", {"trial": trial}, {}) as inner:
        for step in range(1, rows + 1):
            inner.report({"step": step, "generator.loss": step / 2})
for step in range(1, rows + 1):
    run.report({"step": step, "generator.loss": float(step)})
    if step % 50 == 0:
        run.picture(ImageGrid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "caption"), step)
run.finish("FINISHED")
"""


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def process(command: Sequence[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with log.open("wb") as said:
        running = subprocess.Popen(command, stdout=said, stderr=said, **options)
        try:
            yield running
        finally:
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(30)
            running.kill()


def wait_until(ready: object, running: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if running.poll() is not None:
            break
        with suppress(Exception):
            ready()
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def account() -> Mapping[str, object]:
    """The account that PostgreSQL runs under: it refuses to be run by root."""
    if os.getuid():
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no account `postgres`")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    psycopg = pytest.importorskip("psycopg", reason="needs psycopg, of the extra dev")
    if not (shutil.which("initdb") and shutil.which("postgres")):
        pytest.skip("needs PostgreSQL: `initdb` and `postgres` on the path")
    who, port, folder = account(), free_port(), Path("/tmp") / f"papergan-postgres-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if who:
        os.chown(folder, who["user"], who["group"])
    try:
        made = ["initdb", "--auth", "trust", "--username", "papergan", "--pgdata", str(folder / "data")]
        subprocess.run(made, check=True, capture_output=True, cwd="/", **who)
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "fsync": "off"}
        command = ["postgres", "-D", str(folder / "data"), "-p", str(port)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        address, log = f"postgresql://papergan@127.0.0.1:{port}/postgres", folder / "log"
        with process(command, log, cwd="/", **who) as running:
            wait_until(lambda: psycopg.connect(address).close(), running, log)
            yield address
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "2"]
    command += ["--artifacts-destination", str(folder / "files"), "--host", "127.0.0.1", "--port", str(port)]
    address, log = f"http://127.0.0.1:{port}", folder / "log"
    with process(command, log, cwd=folder, start_new_session=True) as running:
        wait_until(lambda: urllib.request.urlopen(f"{address}/health", timeout=2).close(), running, log)
        yield address


def test_eight_writers_lose_no_row(server, tmp_path):
    names = [f"writer {place}" for place in range(WRITERS)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, server, str(tmp_path / "artifacts"), name, str(ROWS), str(TRIALS)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for name in names
    ]  # fmt: skip
    for one in started:
        said, _ = one.communicate(timeout=240)
        assert one.returncode == 0, said
        assert "MLflow" not in said
    client = MlflowClient(tracking_uri=server)
    (experiment,) = (known for known in client.search_experiments() if "zaika" in known.name.lower())
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.info.run_id: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert sorted(run.data.tags["writer"] for run in parents.values()) == names
    assert len(runs) == WRITERS * (1 + TRIALS)
    for run in runs:
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "loss/generator_loss")
        half = 1 if run.info.run_id in parents else 2
        assert sorted((row.step, row.value) for row in history) == [(n, n / half) for n in range(1, ROWS + 1)]
    for run_id in parents:
        kept = [entry.path for entry in client.list_artifacts(run_id, "samples")]
        assert kept == [f"samples/step-{step:09d}.png" for step in range(50, ROWS + 1, 50)]


def test_an_experiment_is_tracked_by_the_server_of_the_environment_variable(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    done = run_there(tmp_path, "run", "--pipelines", EXPERIMENT, "--env", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{server}/#/experiments/" in done.stdout
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    client = MlflowClient(tracking_uri=server)
    ids = [known.experiment_id for known in client.search_experiments()]
    (run,) = client.search_runs(ids, f"tags.`papergan.experiment` = '{EXPERIMENT}'")
    assert run.info.status == "FINISHED"
    assert "summary/domain_fid" in run.data.metrics
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert {"samples.png", "curves", "scores"} <= {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert client.search_model_versions(f"name = '{EXPERIMENT}'")
