"""Generators and discriminators, each as specified by a paper or its authors' code."""
