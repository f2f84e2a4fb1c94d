"""Benchmarks run; what they find is for people."""

from __future__ import annotations

import json
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


def test_safety_has_a_price(tmp_path):
    small = ["--overrides", '{"width": 8, "latent_dim": 8}', "--batch-size", "8", "--steps", "2", "--saves", "2"]
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(PROJECT / "benchmarks" / "safety.py"), *small, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    times = found["milliseconds"]
    parts = [value for name, value in times.items() if name.startswith("of which")]
    assert len(parts) == 4
    assert all(value > 0 for value in times.values())
    assert 0 < found["share of saves"] < 0.01
    assert "share of a run" in done.stdout
