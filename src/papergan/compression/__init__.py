"""Trained generators made smaller or faster: pruned, in lower precision, taught, trained on; what each costs."""
