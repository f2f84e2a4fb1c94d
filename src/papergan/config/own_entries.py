"""User-defined experiments and studies: entries of the environment in use, by default conf/local, or of files in
conf/base that are not the project's.

An entry that the project does not have is a study if it has `grids` or a `search`, and an experiment if it has a
`system` or a `dataset`; anything else changes an existing entry. Names that begin with _ are templates for others, as
in Kedro's catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from papergan.config.yaml_file import read_entries
from papergan.errors import RecipeError
from papergan.messages import quoted

COMPLETE = {"paper", "system", "dataset", "training"}  # what every recipe must have
STUDY = {"grids", "search"}  # an entry with one of these is a study
OURS = ("parameters_studies.yml", "parameters_tools.yml")  # in conf/base; also the folder `parameters`


@dataclass(frozen=True)
class Configuration:
    """A configuration. conf: the folder that contains `base`. environment: the name of a folder next to `base`."""

    conf: Path
    environment: str

    @property
    def base(self) -> Path:
        return self.conf / "base"

    def own_files(self) -> Iterator[Path]:
        """The files that Kedro reads parameters from, except the project's own."""
        for folder in dict.fromkeys((self.base, self.conf / self.environment)):
            for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
                names = path.relative_to(folder).parts
                ours = folder == self.base and (names[0] == "parameters" or names[0] in OURS)
                hidden = any(name.startswith(".") for name in names)
                is_parameters = any(name.startswith("parameters") for name in names)
                if is_parameters and not ours and not hidden and path.suffix in (".yml", ".yaml") and path.is_file():
                    yield path


class OwnEntries(NamedTuple):
    """Experiments and studies by name: the file, and the entry as it is written there."""

    experiments: dict[str, tuple[Path, Mapping[str, Any]]]
    studies: dict[str, tuple[Path, Mapping[str, Any]]]


def own_entries(configuration: Configuration, known: set[str]) -> OwnEntries:
    """The entries that are not `known`. Raises RecipeError for a whole recipe under a known name, or in two files."""
    found = OwnEntries({}, {})
    for path, name, entry in read_own(configuration):
        if name in known:
            if entry.keys() >= COMPLETE:
                raise RecipeError(
                    f"{path}: there is an experiment {quoted(name)} in conf/base already; give yours another name, or "
                    "leave in only what differs from that one"
                )
            continue
        kind = found.studies if STUDY & entry.keys() else found.experiments
        if not {*STUDY, "system", "dataset"} & entry.keys():
            continue
        if name in kind:
            raise RecipeError(f"{path}: {quoted(name)} is defined in {kind[name][0]} as well; rename or remove one")
        kind[name] = (path, entry)
    return found


@cache
def read_own(configuration: Configuration) -> tuple[tuple[Path, str, Mapping[str, Any]], ...]:
    """Every entry of the own files, as file, name and content; cached until `read_own.cache_clear`."""
    return tuple(
        (path, name, entry)
        for path in configuration.own_files()
        for name, entry in read_entries(path, "names to recipes", scalars=True).items()
        if isinstance(entry, dict)
    )
