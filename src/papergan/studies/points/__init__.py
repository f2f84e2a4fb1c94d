"""Tools for points in the plane: their trials, their tables and figures."""
