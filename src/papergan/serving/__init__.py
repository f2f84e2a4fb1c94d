"""Trained generators behind HTTP: a page, and an API of samples and translations; needs the extra `serve`."""
