"""Losses, penalties and regularisers, one family of equations per file."""
