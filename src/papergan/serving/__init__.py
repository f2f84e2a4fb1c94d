"""Trained generators over HTTP: a page, and an API for samples and translations; needs the extra `serve`."""
