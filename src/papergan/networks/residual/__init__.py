"""Residual generators and discriminators."""
