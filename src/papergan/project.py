"""The project's folder, configuration and command name, in a checkout and when installed from a wheel.

In a checkout, data/ and mlruns/ are in the folder of pyproject.toml and the configuration is conf/. Installed from a
wheel, they are in the working directory, and the configuration is the copy inside the package.
"""

from __future__ import annotations

from pathlib import Path

from papergan.atomic_files import folder_from
from papergan.errors import RecipeError

_PACKAGE = Path(__file__).resolve().parent
_ABOVE = _PACKAGE.parents[1]

IN_CHECKOUT = _PACKAGE.parent.name == "src" and (_ABOVE / "pyproject.toml").is_file()
PROJECT = _ABOVE if IN_CHECKOUT else Path.cwd()
CONFIGURATION = PROJECT / "conf" if IN_CHECKOUT else _PACKAGE / "conf"
COMMAND = "kedro" if IN_CHECKOUT else "python -m papergan"
"""What precedes `run` and `clean` on the command line."""
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"
"""MLflow's own variable; if set, it overrides the store of the workspace and the one in mlflow.yml."""


def workspace() -> Path:
    """The folder of data/ and mlruns/, absolute: the one in PAPERGAN_WORKSPACE, else the project's.

    Raises RecipeError if the path or one of its parents is not a folder.
    """
    return folder_from("PAPERGAN_WORKSPACE") or PROJECT


def check_configuration() -> None:
    """Raise RecipeError if the configuration that belongs to the code is missing."""
    if not (CONFIGURATION / "base").is_dir():
        remedy = "git checkout conf" if IN_CHECKOUT else "pip install --force-reinstall papergan-*.whl"
        raise RecipeError(f"{CONFIGURATION / 'base'}: the configuration is missing; bring it back with `{remedy}`")
