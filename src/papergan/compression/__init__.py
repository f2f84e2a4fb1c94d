"""Trained generators made smaller or faster: pruned, in lower precision, distilled, fine-tuned; the costs of each."""
