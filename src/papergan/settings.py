"""Project settings, read by Kedro. https://docs.kedro.org/en/stable/configure/settings/"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from papergan.atomic_files import folder_from
from papergan.project import CONFIGURATION, IN_CHECKOUT, PROJECT
from papergan.remote_copy import url_from

# Telemetry of Kedro and MLflow is off; set before either reads it.
for _variable in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "true")
# Threads that wait sleep: where something else wants a core too, OpenMP's default of spinning made a step on two busy
# cores ten times as slow. Read once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Without this MLflow configures logging itself, and logs every step of the creation of its database.
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
logging.captureWarnings(True)  # to where conf/logging.yml sends them

from papergan.hooks import (  # noqa: E402 - after the switches above
    DivergenceHook,
    MlflowHook,
    ReadableConfigLoader,
    SummaryHook,
    ValidationHook,
)


def workspace() -> str:
    """The folder of data/ and mlruns/: the one in PAPERGAN_WORKSPACE, else the project's. Always absolute."""
    return (folder_from("PAPERGAN_WORKSPACE") or PROJECT).as_posix()


def remote_copy() -> dict[str, str | None]:
    """Where results of trials are copied to as well: the URL of fsspec in PAPERGAN_REMOTE, or nowhere."""
    return {"root": workspace(), "url": url_from("PAPERGAN_REMOTE")}


def _has_folder(name: str) -> bool:
    folders = (Path(workspace(), "data/01_raw"), folder_from("PAPERGAN_DATA"))
    return any((folder / name).is_dir() for folder in folders if folder is not None)


def emoji() -> str:
    """The data set of song2023's emoji: the user's own if present, else those of a font."""
    return "emoji" if _has_folder("emoji") else "emoji_noto"


def fingerprints() -> str:
    """The data set of gan_optimisation_review: a user's SOCOFing where there is one, else drawn fingerprints."""
    return "socofing" if _has_folder("socofing") else "fingerprints_synthetic"


# Pluggy calls the last one first: nothing is tracked or printed for a recipe that is refused, and the error of a run
# that diverged is raised last.
HOOKS = (DivergenceHook(), SummaryHook(), MlflowHook(), ValidationHook())

# papergan reads kedro-mlflow's mlflow.yml and serves `kedro mlflow ui`, but tracks through its own hook: one MLflow run
# per experiment instead of one per command, with a status that is true after Ctrl-C and after a kill as well.
# Kedro-Viz's hook writes into projects, and as a wheel there is none.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-telemetry", *(() if IN_CHECKOUT else ("kedro-viz",)))

if not IN_CHECKOUT:  # else Kedro's own default, "conf"
    CONF_SOURCE = str(CONFIGURATION)

CONFIG_LOADER_CLASS = ReadableConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An overlay changes the keys it names and leaves the rest of a recipe as it is.
    "merge_strategy": {"parameters": "soft", "globals": "soft", "catalog": "soft"},
    "config_patterns": {"mlflow": ["mlflow*"]},
    "custom_resolvers": {
        "workspace": workspace,
        "remote_copy": remote_copy,
        "emoji": emoji,
        "fingerprints": fingerprints,
        "conf_source": CONFIGURATION.as_posix,  # of other loaders than ReadableConfigLoader, which has its own folder
    },
}
