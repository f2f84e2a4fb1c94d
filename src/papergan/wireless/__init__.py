"""Digital communication in complex baseband: channels, QAM, a block code, and their error rates in closed form."""
