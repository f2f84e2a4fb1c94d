"""Kedro hooks: checks before a run, MLflow tracking, the summary after it."""

from papergan.hooks.config_loader import ReadableConfigLoader
from papergan.hooks.mlflow_tracking import MlflowHook
from papergan.hooks.summary import DivergenceHook, SummaryHook
from papergan.hooks.validation import ValidationHook

__all__ = ["DivergenceHook", "MlflowHook", "ReadableConfigLoader", "SummaryHook", "ValidationHook"]
