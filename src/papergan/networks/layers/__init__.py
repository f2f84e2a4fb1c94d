"""Layers and other building blocks that several networks are made of."""
