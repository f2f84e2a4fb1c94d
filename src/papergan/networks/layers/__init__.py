"""Layers and other building blocks shared by several networks."""
