"""The vector study: its trials, its tables and figures."""
