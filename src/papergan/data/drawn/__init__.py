"""Images drawn by formula or from a font: built-in data sets that need no download."""
