"""The trackers and MLflow runs of the experiments and studies that are run in this process, by their names."""

from __future__ import annotations

from papergan.tracking.tracker import Tracker

_active: dict[str, Tracker] = {}
_places: dict[str, tuple[str, str]] = {}


def active_tracker(name: str) -> Tracker:
    """The tracker of the open MLflow run of an experiment; one that keeps nothing where there is no such run."""
    return _active.get(name, Tracker())


def set_active(name: str, tracker: Tracker | None) -> None:
    """Set the tracker of the experiment; None removes it."""
    if tracker is None:
        _active.pop(name, None)
    else:
        _active[name] = tracker


def set_place(name: str, experiment_id: str, run_id: str) -> None:
    """Note the MLflow experiment and run of an experiment, for what is printed when the command ends."""
    _places[name] = (experiment_id, run_id)


def places() -> dict[str, tuple[str, str]]:
    """MLflow experiment and run by experiment, of all that began since `clear_places`."""
    return dict(_places)


def clear_places() -> None:
    """Forget the runs of an earlier command in this process."""
    _places.clear()
