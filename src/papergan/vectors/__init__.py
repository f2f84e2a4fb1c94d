"""Vectors: rows of a table, drawn or a user's own, their normalisation, and what generated ones are scored by."""
