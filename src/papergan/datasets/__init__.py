"""Kedro datasets: how things are kept."""
