"""The model card: what a trained generator is, in Markdown with the front matter of the Hugging Face Hub.

Everything comes from `config.json`. Entries of its `about` that are read, each of which may be missing:

experiment: name. recipe: settings by section. paper: {key, title, authors, year, link}. dataset: name. data_digest.
data_license: of the training images. license: of the weights, an identifier of the Hub. protocol: by extractor, fields
of `evaluation.protocol.Protocol`. metrics: final values by name. published: rows, fields of
`reporting.published_results.PublishedRow`. caveats: lines about the published numbers. versions: by package. commit.
hardware. training_seconds.
"""

from __future__ import annotations

UNKNOWN = "unknown"
PICTURE = "samples.png"
COPIES = ("copy_rate", "distance_ratio", "membership_auc")  # ends of the names
OF_PAIRS = ("psnr_y", "ssim_y")
COMPARABLE = {"fid": "fid", "is": "is_mean", "psnr_y": "psnr_y", "ssim_y": "ssim_y"}  # published metrics, and ours
