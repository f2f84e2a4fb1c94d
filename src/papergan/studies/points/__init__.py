"""Tools on points of the plane: their trials, their tables and figures."""
