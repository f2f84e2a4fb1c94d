"""Out-of-memory errors as `MemoryShortError`, with the setting to lower."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from papergan.errors import MemoryShortError

# Of the host, of a GPU outside torch's own allocator, for example where other processes fill it, and of its libraries:
# torch has no exception type for these.
_SHORT = re.compile(r"can't allocate memory|CUDA error: out of memory|(CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED")


@contextmanager
def memory_errors(what: str, advice: str) -> Iterator[None]:
    """Raise MemoryShortError if the device or the host runs out of memory inside the block.

    Nothing is reduced automatically: another batch size is another experiment.
    what: what was being done. advice: the setting to lower.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryShortError(f"out of memory while {what}: {advice}") from error
    except RuntimeError as error:
        if not _SHORT.search(str(error)):
            raise
        raise MemoryShortError(f"out of memory while {what}: {advice}") from error
