"""Checks of catalog.yml, published.yml and pros_and_cons.yml before a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline

from papergan.atomic_files import check_regular
from papergan.config import registry
from papergan.config.papers import find_paper
from papergan.errors import PaperganError, RecipeError, StorageError, did_you_mean
from papergan.messages import quoted
from papergan.reporting.published_results import experiments_named
from papergan.validation import one_line_error

DATA_ONLY = (
    "papergan.", "kedro.io.memory_dataset", "kedro.io.shared_memory_dataset", "kedro_datasets.json.",
    "kedro_datasets.plotly.", "kedro_datasets.text.", "kedro_datasets.yaml.",
)  # fmt: skip


def find_dataset_errors(pipeline: Pipeline, catalog: CatalogProtocol) -> Iterator[str]:
    """Errors in entries of catalog.yml, and outputs of which a later version is on disk."""
    outputs = pipeline.all_outputs()
    for name in sorted(pipeline.datasets()):
        try:
            dataset = catalog.get(name)
        except Exception as error:  # of whatever class catalog.yml names
            yield f"catalog.yml: {one_line_error(error).partition(' Hint: ')[0]}"
            continue
        yield from _find_irregular_files(name, dataset)
        if dataset is not None and not type(dataset).__module__.startswith(DATA_ONLY):
            yield (
                f"catalog.yml: {name}: a {type(dataset).__name__} might run code that is in its file; known to read "
                "data only are papergan's own datasets, MemoryDataset, and those for json, plotly, text and yaml"
            )
        later = getattr(dataset, "later_version", None) if name in outputs else None
        if later is not None:
            yield (
                f"{name}: there is a version {later} on disk, later than this run: was the clock set back? "
                "Kedro would load that one instead of what this run makes; set the clock, or move that version away"
            )


def refuse_versions_of_outputs(run_params: Mapping[str, Any], pipeline: Pipeline) -> None:
    """Raise RecipeError for a version to load of a dataset that this run makes. run_params: as hooks get them.

    Later nodes would load that version and not what the run has made, and Kedro only warns.
    """
    made = pipeline.all_outputs() & set(run_params.get("load_versions") or {})
    if made and not run_params.get("only_missing_outputs"):
        raise RecipeError(
            f"--load-versions: this run makes {', '.join(sorted(made))}, and its later nodes would load the version "
            "that is given instead: leave it out, or run the later nodes only, with --from-nodes or --nodes"
        )


def _find_irregular_files(name: str, dataset: object) -> Iterator[str]:
    """Errors for files of Kedro's own datasets that are not regular, such as pipes or devices, which would block."""
    path = getattr(dataset, "_filepath", None)
    if type(dataset).__module__.startswith("kedro_datasets.") and path is not None and not Path(path).is_dir():
        try:
            check_regular(Path(path))
        except StorageError as error:
            yield f"{name}: {error}"
        except OSError:  # not there yet, or of another file system; its dataset raises where it matters
            return


def find_published_errors(pipeline: Pipeline, catalog: CatalogProtocol) -> Iterator[str]:
    """Errors in published.yml and pros_and_cons.yml, which are read only at the end of a run."""
    for name in ("pros_and_cons", "published"):
        if name not in pipeline.inputs():
            continue
        try:
            given, known = catalog.load(name), registry.discover()
            for paper in given if isinstance(given, Mapping) else ():
                find_paper(str(paper))
            for where, experiment in experiments_named(given) if name == "published" else ():
                if experiment not in known:
                    hint = did_you_mean(experiment, known)
                    yield f"{name}.yml: {where}: unknown experiment {quoted(experiment)}{hint}"
        except (PaperganError, DatasetError) as error:
            cause: BaseException = error
            while isinstance(cause, DatasetError) and cause.__cause__ is not None:
                cause = cause.__cause__
            yield f"{name}.yml: {one_line_error(cause).removeprefix('published numbers: ')}"
