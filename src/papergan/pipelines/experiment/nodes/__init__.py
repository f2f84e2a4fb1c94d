"""The nodes of an experiment, by what they make."""
