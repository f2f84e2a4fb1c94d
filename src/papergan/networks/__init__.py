"""Generators and discriminators, each in the form that a paper or its authors' code gives it."""
