"""Benchmarks run; what they find is for people."""

from __future__ import annotations

import subprocess
import sys

from project_run import PROJECT


def test_the_metrics_are_timed():
    sizes = ["--samples", "2200", "--real", "2300", "--dimension", "16", "--size", "16"]
    command = [sys.executable, str(PROJECT / "benchmarks" / "metrics.py"), *sizes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 13
    assert all(float(row.split("|")[2]) >= 0 for row in rows)
