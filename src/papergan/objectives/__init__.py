"""Losses, penalties and regularisers, one family of equations per file; and the wiring of the usual game of two."""
