"""`python -m papergan` runs `kedro` for this project from any directory; `torchrun -m papergan` uses several devices.

Without a command it runs `kedro run`. When installed from a wheel, the commands are `run` and `clean`.
"""

from __future__ import annotations

import os
import sys

from papergan.distributed import is_distributed
from papergan.errors import PaperganError
from papergan.project import CONFIGURATION, IN_CHECKOUT, PROJECT, check_configuration


def main() -> None:
    """Run the given command line, `run` if it names no command; with several processes, rank 0 runs it."""
    os.chdir(PROJECT)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in papergan.settings, which followers never load
    if not is_distributed():
        return run()
    from papergan.distributed.follower import run_distributed

    return run_distributed(run)


def run() -> None:
    """Run Kedro's command line in the project folder; without a checkout, only the commands of `papergan.cli`."""
    given = sys.argv[1:]
    arguments = given if given and not given[0].startswith("-") else ["run", *given]
    try:
        check_configuration()
    except PaperganError as error:
        sys.stderr.write(f"papergan: {error}\n")
        sys.exit(1)
    if IN_CHECKOUT:
        from kedro.framework.cli.cli import KedroCLI  # here, because followers do not need it

        KedroCLI(project_path=PROJECT)(args=arguments)
    else:
        _run_installed(arguments)


def _run_installed(arguments: list[str]) -> None:
    """Run as a packaged Kedro project: it has no pyproject.toml, so Kedro gets the package name here."""
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(CONFIGURATION / "logging.yml"))  # read when Kedro is imported
    from kedro.framework.project import configure_project

    configure_project("papergan")
    from papergan.cli import cli

    cli(args=arguments, prog_name="python -m papergan")


if __name__ == "__main__":
    main()
