"""`python -m papergan` is `kedro run` for this project, wherever it is started; `torchrun -m papergan` on devices."""

from __future__ import annotations

import os
import sys

from papergan.config.registry import PROJECT
from papergan.distributed import is_distributed


def main() -> None:
    """Run the command line given, or `run` by default; with several processes, rank 0 runs it."""
    os.chdir(PROJECT)
    if not is_distributed():
        return run()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as papergan.settings, which followers never load
    from papergan.distributed.command import run_distributed

    return run_distributed(run)


def run() -> None:
    """Run Kedro's command line in the project folder."""
    from kedro.framework.cli.cli import KedroCLI  # here, because followers do without it

    KedroCLI(project_path=PROJECT)(args=["run", *sys.argv[1:]])


if __name__ == "__main__":
    main()
