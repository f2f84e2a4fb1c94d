"""What happens around a run: recipes are checked, runs are tracked, results are pointed at."""

from papergan.hooks.gate import GateHook
from papergan.hooks.reading import ReadableConfigLoader
from papergan.hooks.report import ReportHook
from papergan.hooks.track import TrackingHook

__all__ = ["GateHook", "ReadableConfigLoader", "ReportHook", "TrackingHook"]
