"""`python -m papergan` is `kedro run` for this project, wherever it is started."""

from __future__ import annotations

import os
import sys

from kedro.framework.cli.cli import KedroCLI

from papergan.experiments import PROJECT


def main() -> None:
    """Run the command line given, or `run` where none is."""
    os.chdir(PROJECT)
    KedroCLI(project_path=PROJECT)(args=["run", *sys.argv[1:]])


if __name__ == "__main__":
    main()
