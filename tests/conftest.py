"""One thread everywhere: what is tested is small, and results are compared bit for bit with those of subprocesses."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is first imported, here and in subprocesses

import torch

torch.set_num_threads(1)
