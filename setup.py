"""The part of the build that pyproject.toml cannot say: a wheel holds the configuration, as papergan/conf."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

OWN = shutil.ignore_patterns("local")  # a user's own settings, which no wheel may hold


class BuildWithConfiguration(build_py):
    """`build_py` that copies conf/ into the package, without conf/local; editable installations read conf/ itself."""

    def run(self) -> None:
        """Copy the modules, then the configuration."""
        package = Path(self.build_lib, "papergan")
        shutil.rmtree(package, ignore_errors=True)  # of an earlier build: removed modules would stay in the wheel
        super().run()
        if not self.editable_mode:
            shutil.copytree("conf", package / "conf", ignore=OWN)
            (package / "conf" / "local").mkdir()
            (package / "conf" / "local" / ".gitkeep").touch()  # Kedro refuses configuration without this folder


setup(cmdclass={"build_py": BuildWithConfiguration})
