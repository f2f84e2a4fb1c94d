"""Vectors: rows of a table, drawn or a user's own, their normalisation, and the scores of generated ones."""
