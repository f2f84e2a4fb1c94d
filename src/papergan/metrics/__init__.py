"""Metrics, one family per file, and the list of all of them (`registry.METRICS`)."""
