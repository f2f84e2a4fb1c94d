"""Trained generators made smaller or faster: pruned weights and channels, lower precision; what each costs."""
