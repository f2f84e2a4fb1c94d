"""The project's folder, configuration and command name, in a checkout and when installed from a wheel.

In a checkout, data/ and mlruns/ are in the folder of pyproject.toml and the configuration is conf/. Installed from a
wheel, they are in the working directory, and the configuration is the copy inside the package.
"""

from __future__ import annotations

from pathlib import Path

from papergan.errors import RecipeError

_PACKAGE = Path(__file__).resolve().parent
_ABOVE = _PACKAGE.parents[1]

IN_CHECKOUT = _PACKAGE.parent.name == "src" and (_ABOVE / "pyproject.toml").is_file()
PROJECT = _ABOVE if IN_CHECKOUT else Path.cwd()
CONFIGURATION = PROJECT / "conf" if IN_CHECKOUT else _PACKAGE / "conf"
COMMAND = "kedro" if IN_CHECKOUT else "python -m papergan"
"""What precedes `run` and `clean` on the command line."""


def check_configuration() -> None:
    """Raise RecipeError if the configuration that belongs to the code is missing."""
    if not (CONFIGURATION / "base").is_dir():
        remedy = "git checkout conf" if IN_CHECKOUT else "pip install --force-reinstall papergan-*.whl"
        raise RecipeError(f"{CONFIGURATION / 'base'}: the configuration is missing; bring it back with `{remedy}`")
