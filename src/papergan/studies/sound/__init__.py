"""The sound study: its games, its trials, its tables and figures."""
