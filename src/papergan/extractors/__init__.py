"""Feature extractors: the networks that turn images into features and class logits."""
