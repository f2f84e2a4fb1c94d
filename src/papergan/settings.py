"""Project settings, read by Kedro. https://docs.kedro.org/en/stable/configure/settings/"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from papergan import project
from papergan.atomic_files import folder_from
from papergan.project import CONFIGURATION, IN_CHECKOUT
from papergan.remote_copy import url_from

# Turn off the telemetry of Kedro and MLflow, before either reads its setting.
for _variable in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "true")
# Waiting threads sleep: when other processes need the CPU too, OpenMP's default of spinning made a step on two busy
# cores ten times as slow. Read once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Without this, MLflow configures logging itself, and logs every step of creating its database.
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
    """The folder that holds data/ and mlruns/: PAPERGAN_WORKSPACE, else the project's folder. Always absolute."""
    return project.workspace().as_posix()


def remote_copy() -> dict[str, str | None]:
    """Where results of trials are copied as well: the fsspec URL in PAPERGAN_REMOTE, or nowhere."""
    return {"root": workspace(), "url": url_from("PAPERGAN_REMOTE")}


def _has_folder(name: str) -> bool:
    folders = (Path(workspace(), "data/01_raw"), folder_from("PAPERGAN_DATA"))
    return any((folder / name).is_dir() for folder in folders if folder is not None)


def emoji() -> str:
    """The emoji data set of song2023: the user's own if present, else emoji from a font."""
    return "emoji" if _has_folder("emoji") else "emoji_noto"


def fingerprints() -> str:
    """The data set of gan_optimisation_review: the user's SOCOFing if present, else synthetic fingerprints."""
    return "socofing" if _has_folder("socofing") else "fingerprints_synthetic"


# Pluggy calls the last one first: nothing is tracked or printed for an invalid recipe, and the error of a diverged run
# is raised last.
HOOKS = (DivergenceHook(), SummaryHook(), MlflowHook(), ValidationHook())

# papergan reads kedro-mlflow's mlflow.yml and serves `kedro mlflow ui`, but tracks through its own hook: one MLflow run
# per experiment instead of one per command, with a status that is also correct after Ctrl-C and after a kill.
# Kedro-Viz's hook writes into the project folder, which does not exist when installed from a wheel.
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
        "conf_source": CONFIGURATION.as_posix,  # for loaders other than ReadableConfigLoader, which has its own folder
    },
}
