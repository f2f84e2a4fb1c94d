"""The tracker of each experiment or study that is being run in this process, by its name."""

from __future__ import annotations

from papergan.tracking.tracker import Tracker

_active: dict[str, Tracker] = {}


def active_tracker(name: str) -> Tracker:
    """The tracker of the open MLflow run of an experiment; one that keeps nothing where there is no such run."""
    return _active.get(name, Tracker())


def set_active(name: str, tracker: Tracker | None) -> None:
    """Set the tracker of the experiment; None removes it."""
    if tracker is None:
        _active.pop(name, None)
    else:
        _active[name] = tracker
