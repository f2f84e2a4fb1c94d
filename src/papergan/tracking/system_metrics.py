"""MLflow's system metrics of a run: processor, memory, disk, network and GPU."""

from __future__ import annotations

from threading import Thread

PATIENCE_SECONDS = 5.0  # at the end, if a store does not answer


class Monitor:
    """MLflow's monitor of this machine, in its own thread; nothing waits for it. Needs psutil."""

    def __init__(self, tracking_uri: str, run_id: str, every_seconds: float) -> None:
        """Start it. every_seconds: between two samples, whose steps are their numbers; a resumed run counts on."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self._monitor = SystemMetricsMonitor(
            run_id, sampling_interval=every_seconds, resume_logging=True, tracking_uri=tracking_uri
        )
        self._monitor.start()

    def stop(self) -> None:
        """Stop it, within PATIENCE_SECONDS even if MLflow does not answer."""
        stopping = Thread(target=self._monitor.finish, name="stop system metrics", daemon=True)
        stopping.start()
        stopping.join(PATIENCE_SECONDS)
