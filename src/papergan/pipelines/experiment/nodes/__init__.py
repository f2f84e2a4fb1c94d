"""The nodes of an experiment."""
