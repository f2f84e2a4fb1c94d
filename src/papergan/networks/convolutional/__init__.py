"""Convolutional generators and discriminators without residual connections: DCGAN and its relatives."""
