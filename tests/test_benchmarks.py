"""Benchmarks run; what they find is for people."""

from __future__ import annotations

import json
import runpy
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


def test_throughput_is_measured_and_compared(tmp_path):
    figures, changes = (
        tmp_path / "figures.json",
        ["overrides.width=8", "overrides.latent_dim=8", "training.batch_size=8"],
    )
    options = ["--set", *changes, "--steps", "5", "--warm-up", "1", "--device", "cpu", "--json", str(figures)]
    command = [sys.executable, str(PROJECT / "benchmarks" / "throughput.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert found["spread"][0] <= found["images_per_second"] <= found["spread"][1]
    parts = found["milliseconds"]
    assert {"batches", "turns of discriminator", "turns of generator", "average"} <= parts.keys()
    assert 0 < parts["penalties"] < parts["every turn"]
    assert 0 < found["share_of_attainable"] < 1
    assert found["operations_per_step"] > 100
    again = runpy.run_path(command[1])["table"](found, found)
    assert f"| GFLOP per step | {found['flops_per_step'] / 1e9:.4g} |" in done.stdout
    assert all(line.endswith("| 1.00 |") for line in again.splitlines()[4:])
