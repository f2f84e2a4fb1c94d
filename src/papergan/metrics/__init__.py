"""Metrics, one per file, and the list of all of them (`registry.METRICS`)."""
