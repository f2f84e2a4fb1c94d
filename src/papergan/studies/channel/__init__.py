"""The channel study: its game, its trials, its tables and figures."""
