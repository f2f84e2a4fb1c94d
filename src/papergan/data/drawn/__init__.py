"""Images that are drawn by formula or from a font: embedded data sets, without a download."""
