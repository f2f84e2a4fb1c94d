"""What happens around a run: recipes are checked, runs are tracked, results are pointed at."""

from papergan.hooks.config_loader import ReadableConfigLoader
from papergan.hooks.mlflow_tracking import TrackingHook
from papergan.hooks.summary import ReportHook
from papergan.hooks.validation import GateHook

__all__ = ["GateHook", "ReadableConfigLoader", "ReportHook", "TrackingHook"]
