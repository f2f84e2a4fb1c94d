"""The registry of experiments, studies and tools: names, descriptions, settings, checks, pipelines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from papergan.config.own_entries import Configuration, OwnEntries, own_entries, read_own
from papergan.config.papers import papers
from papergan.config.yaml_file import read_entries
from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.project import COMMAND, CONFIGURATION

DRY_RUN = "dry run"  # how the runner describes itself in a run that only shows its plan
PARAMETERS = CONFIGURATION / "base" / "parameters"


def is_dry_run(run_params: Mapping[str, Any]) -> bool:
    """Whether the run only shows its plan. run_params: as hooks get them."""
    return str(run_params["runner"]).startswith(DRY_RUN)


@dataclass(frozen=True)
class ExperimentEntry:
    """Name, paper (a citation key) and description of an experiment or study.

    sweep: whether it is a study with a search. system: of an experiment. translates: whether its generator is given
    images.
    """

    name: str
    paper: str
    description: str
    sweep: bool = False
    system: str = ""
    translates: bool = False


def discover(folder: Path | None = None) -> dict[str, ExperimentEntry]:
    """Every experiment by name, in the order of files and their entries: files of papers first, as in papers.yml.

    Those of the environment in use come last, see `papergan.config.own_entries`. Only names are taken from here:
    overlays and --params may change everything else when a pipeline runs. folder: read its files instead of those in
    use. Raises RecipeError where a file is not a mapping of experiments, a name appears twice, or a name cannot be that
    of a pipeline and a folder.
    """
    if folder is not None:
        return _in_folder(folder)
    found = _in_folder(_in_use.base / "parameters")
    return found | {name: _entry(path, name, entry) for name, (path, entry) in _own().experiments.items()}


@cache
def _in_folder(folder: Path) -> dict[str, ExperimentEntry]:
    found: dict[str, ExperimentEntry] = {}
    order = list(papers())
    for path in sorted(folder.glob("*.yml"), key=lambda path: (_place(path.stem, order), path.name)):
        for name, entry in read_entries(path, "experiment names to recipes").items():
            if name in found:
                raise RecipeError(f"{path}: experiment {quoted(name)} is defined twice")
            found[name] = _entry(path, name, entry)
    return found


def _entry(path: Path, name: str, entry: Mapping[str, Any], what: str = "an experiment") -> ExperimentEntry:
    """The entry, whose name a pipeline and a folder must be able to have; otherwise raises RecipeError."""
    taken = {*TOOLS, *TOOL_PARAMETERS, *SHARED_FOLDERS}
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in taken:
        wanted = f"letters, digits and _, and none of {', '.join(sorted(taken))}"
        raise RecipeError(f"{path}: {quoted(name)} cannot be the name of {what}: {wanted}")
    paper, description = _text(entry.get("paper")), _text(entry.get("description"))
    system, translates = _text(entry.get("system")), "input" in entry
    return ExperimentEntry(name, paper, description, "search" in entry, system, translates)


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else len(order)


STUDIES_FILE = "parameters_studies.yml"


def studies() -> dict[str, ExperimentEntry]:
    """Every study by name: the top-level keys of that file, and a user's own. Raises RecipeError as `discover` does."""
    path, experiments = _in_use.base / STUDIES_FILE, discover()
    found = _in_file(path)
    if taken := [name for name in found if name in experiments]:
        raise RecipeError(f"{path}: {quoted(taken[0])} cannot be the name of a study: it is an experiment's")
    own = _own().studies.items()
    return found | {name: _entry(path, name, entry, "a study") for name, (path, entry) in own}


def _own() -> OwnEntries:
    """The entries of the environment in use that are not the project's."""
    base = _in_use.base
    return own_entries(_in_use, {*_in_folder(base / "parameters"), *_in_file(base / STUDIES_FILE), *TOOL_PARAMETERS})


@cache
def _in_file(path: Path) -> dict[str, ExperimentEntry]:
    entries = read_entries(path, "study names to studies").items() if path.exists() else ()
    return {name: _entry(path, name, entry, "a study") for name, entry in entries}


_in_use = Configuration(PARAMETERS.parents[1], os.environ.get("KEDRO_ENV") or "local")


def environments_with(name: str) -> list[str]:
    """The environments, other than conf/base, of the configuration in use that have an entry of this name."""
    folders = sorted(path.name for path in _in_use.conf.iterdir() if path.is_dir() and path.name != "base")
    found = {folder: own_entries(Configuration(_in_use.conf, folder), set(TOOL_PARAMETERS)) for folder in folders}
    return [folder for folder, own in found.items() if name in {*own.experiments, *own.studies}]


def in_demo(name: str) -> bool:
    """Whether conf/demo has smaller settings for an experiment of the configuration in use."""
    demo = _in_use.conf / "demo"
    files = [*demo.glob("parameters/*.yml"), *demo.glob("parameters_experiments.yml")]
    return any(name in read_entries(path, "experiments to settings") for path in files)


def use(conf: Path | None = None, environment: str | None = None) -> bool:
    """Take experiments and studies from this configuration folder and environment; by default the project's own.

    An environment without a folder has none; reading the configuration raises an error for it.
    Returns whether the configuration changed; pipelines that were made before then belong to the earlier one.
    """
    global _in_use
    before = _in_use
    conf = conf if conf is not None and (conf / "base").is_dir() else PARAMETERS.parents[1]
    wanted = environment or os.environ.get("KEDRO_ENV") or "local"
    known = {path.name for path in conf.iterdir() if path.is_dir()}
    _in_use = Configuration(conf.resolve(), wanted if wanted in known else "local")
    for cached in (_in_folder, _in_file, read_own):
        cached.cache_clear()
    return _in_use != before


SHARED_FOLDERS = ("store", "rulers")  # folders next to those of the experiments


@dataclass(frozen=True)
class Tool:
    """A tool: a pipeline that is neither an experiment nor a study.

    pipeline: module with `create_pipeline()`. settings: model of `params:<name>`, "module:class". check:
    "module:function" from (name, catalog) to what its nodes get instead of the parameters. inputs: further parameters
    that it reads. arguments: of `create_pipeline`, where several tools share it. All are names below `papergan`, so
    that listing pipelines imports none of them.
    """

    description: str
    pipeline: str
    settings: str
    check: str = "hooks.tool_checks:check_settings"
    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


TOOLS = {
    "comparison": Tool("the table of all runs so far", "pipelines.comparison", "config.tools:ComparisonSettings"),
    "metric_sanity": Tool(
        "every metric on real images that are damaged more and more: does it notice?",
        "pipelines.sanity", "config.evaluation:SanitySettings", "hooks.tool_checks:check_sanity",
    ),
    "evaluate_images": Tool(
        "any two folders or files of images: --params real=DIR,fake=DIR",
        "pipelines.images", "config.evaluation:ImagesSettings", "hooks.tool_checks:check_images",
        inputs=("real", "fake"),
    ),
    "compression": Tool(
        "a trained generator pruned and quantised: size, speed and quality: --params compression.model=NAME",
        "pipelines.compression", "config.compression:CompressionSettings", "hooks.tool_checks:check_compression",
    ),
    "detection": Tool(
        "detectors of trained generators' images, each on those of all others: --params 'detection.models=NAME NAME'",
        "pipelines.detection", "config.detection:DetectionSettings", "hooks.tool_checks:check_detection",
    ),
    "mode_stress_test": Tool(
        "losses and regularisers of the GAN optimisation review on a ring and a grid of Gaussians",
        "pipelines.mode_stress", "config.mode_stress:ModeStressRecipe", "hooks.study_checks:check_mode_stress",
    ),
    "pacgan_points": Tool(
        "table 1 of PacGAN: packed discriminators on a ring and a grid of Gaussians, modes counted",
        "pipelines.mode_stress", "config.mode_stress:ModeStressRecipe", "hooks.study_checks:check_mode_stress",
        arguments=("pacgan_points",),
    ),
    "channel_study": Tool(
        "a transmitter and a receiver trained through a conditional GAN of their radio channel: error rates",
        "pipelines.channel_study", "config.channel_study:ChannelStudyRecipe", "hooks.study_checks:check_channel_study",
    ),
    "sound_study": Tool(
        "WaveGAN and MelGAN on drawn sounds or your own WAV files: scores, spectrograms, a page that plays them",
        "pipelines.sound_study", "config.sound_study:SoundStudyRecipe", "hooks.study_checks:check_sound_study",
    ),
    "vector_study": Tool(
        "fully connected GANs on rows of a table, drawn or your own CSV or Parquet file, beside baselines",
        "pipelines.vector_study", "config.vector_study:VectorStudyRecipe", "hooks.study_checks:check_vector_study",
    ),
    "dirac_gan": Tool(
        "two scalars under every loss and regulariser: what converges, beside the closed forms",
        "pipelines.dirac_gan", "config.dirac:DiracRecipe",
    ),
    "reproductions": Tool(
        "published numbers beside measured ones, each under its paper's protocol",
        "pipelines.reproductions", "config.tools:ReproductionsRecipe", "hooks.study_checks:check_reproductions",
    ),
    "fd_search": Tool(
        "the search of Song and Kim 2023 for FD: raised from 1 until nothing is unstable beyond epoch 30",
        "pipelines.fd_search", "config.study:SearchRecipe", "hooks.study_checks:check_search",
    ),
}  # fmt: skip
"""Every tool. A new one is an entry here, its pipeline, and its parameters in conf/base/parameters_tools.yml."""

LISTED = f"`{COMMAND} run` lists what there is"
MODELS = {name: tool.settings for name, tool in TOOLS.items()} | {"retention": "config.tools:RetentionRecipe"}
TOOL_PARAMETERS = (*MODELS, *(name for tool in TOOLS.values() for name in tool.inputs))


def import_by_name(dotted: str) -> Any:
    """The class or function that "module:name" names, without `papergan.`."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(f"papergan.{module}"), name)


def parts_of_a_recipe() -> Mapping[str, Any]:
    """The entries that a recipe may have."""
    fields: Mapping[str, Any] = import_by_name("config.experiment:Recipe").model_fields
    return fields


def refuse_unknown(parameters: Mapping[str, Any]) -> None:
    """Raise RecipeError where configuration, an overlay or --params names an experiment that does not exist."""
    known = {*discover(), *studies(), *TOOL_PARAMETERS}
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise RecipeError("; ".join(_unknown(str(name), known) for name in unknown))


def _unknown(name: str, known: Iterable[str]) -> str:
    if name in parts_of_a_recipe():
        some = next(iter(discover()), "NAME")
        return f"{quoted(name)} is part of a recipe: name its experiment first, for example {some}.{name}"
    return f"unknown experiment {quoted(name)}{did_you_mean(name, known, LISTED)}"


def _text(given: Any) -> str:
    return given if isinstance(given, str) else ""  # anything else is refused where recipes are checked
