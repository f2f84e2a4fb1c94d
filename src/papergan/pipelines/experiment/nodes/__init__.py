"""The nodes of an experiment, one module per output."""
