"""Kedro datasets: how results are stored."""
